import type { Section } from './layout.ts'
import type { PageDeps, PageRoute } from './page.ts'
import { cataloguePages } from './pages/catalogue.ts'
import { connectionPages } from './pages/connection.ts'
import { connectionListPages } from './pages/connections.ts'
import { deadLetterPages } from './pages/dead-letters.ts'
import { destinationPages } from './pages/destination.ts'
import { destinationListPages } from './pages/destinations.ts'
import { eventPages } from './pages/event.ts'
import { eventListPages } from './pages/events.ts'
import { orderPages } from './pages/order.ts'
import { orderListPages } from './pages/orders.ts'
import { overviewPages } from './pages/overview.ts'
import { portalPages } from './pages/portal.ts'
import { quarantinePages } from './pages/quarantine.ts'
import { searchPages } from './pages/search.ts'
import { settingsPages } from './pages/settings.ts'

/** All pages. A new one is a file in `pages/`, a line here and, if it is to be found, one in the navigation. */
export const PAGES: readonly ((deps: PageDeps) => readonly PageRoute[])[] = [
  overviewPages,
  searchPages,
  orderListPages,
  orderPages,
  eventListPages,
  eventPages,
  destinationListPages,
  destinationPages,
  connectionListPages,
  connectionPages,
  deadLetterPages,
  quarantinePages,
  cataloguePages,
  settingsPages,
  portalPages,
]

/** The navigation. `key`: behind `g` it goes there. */
export const SECTIONS: readonly Section[] = [
  { path: '/', name: 'Overview', key: 'h' },
  { path: '/orders', name: 'Orders', key: 'o' },
  { path: '/events', name: 'Events', key: 'e' },
  { path: '/connections', name: 'Connections', key: 'c' },
  { path: '/destinations', name: 'Destinations', key: 'd' },
  { path: '/dead-letters', name: 'Dead letters', key: 'l' },
  { path: '/quarantine', name: 'Quarantine', key: 'q' },
  { path: '/catalogue', name: 'Catalogue', key: 't' },
  { path: '/settings', name: 'Settings', key: 's' },
]
