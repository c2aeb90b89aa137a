/** One option of a connection that a new configuration has to name. */
export interface StarterOption {
  readonly key: string
  /** What to ask a person for. */
  readonly question: string
  /** A secret is written to `.env` under this name and read from there; null: it is written into the configuration. */
  readonly variable: string | null
  /** Proposed answer; an empty one leaves the option out. null: an answer is needed. */
  readonly proposal: string | null
}

const option = (key: string, question: string, proposal: string | null = null): StarterOption => ({
  key,
  question,
  variable: null,
  proposal,
})
const secret = (key: string, question: string, variable: string, proposal: string | null = null): StarterOption => ({
  key,
  question,
  variable,
  proposal,
})

/** What a first configuration of each vendor names; `orderwire init` asks for it. */
export const STARTER_OPTIONS: Readonly<Record<string, readonly StarterOption[]>> = {
  kakaclo: [
    option('baseUrl', 'Base URL of the API', 'https://developer.kakaclo.com/openapi'),
    secret('token', 'Access token', 'KAKACLO_TOKEN'),
  ],
  tuya: [
    option('baseUrl', 'Base URL of your region', 'https://openapi.tuyaeu.com'),
    secret('clientId', 'Client ID of the cloud project', 'TUYA_CLIENT_ID'),
    secret('clientSecret', 'Client secret of the cloud project', 'TUYA_CLIENT_SECRET'),
    option('mallCode', 'Mall code'),
    option('shopCode', 'Shop code'),
  ],
  shoplazza: [
    option('baseUrl', 'Base URL of the shop, such as https://acme.myshoplaza.com/openapi/2022-01'),
    secret('accessToken', 'Access token of the app', 'SHOPLAZZA_TOKEN'),
    secret(
      'webhookSecret',
      'Client secret of the app, which signs webhooks (empty: poll only)',
      'SHOPLAZZA_SECRET',
      '',
    ),
  ],
}
