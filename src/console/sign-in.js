// The browser cannot send the key when a person opens the page, so this asks for it and opens the console with it.
{
  const KEY = 'orderwire-key'
  const status = document.getElementById('status')

  async function open(key) {
    const response = await fetch('/', { headers: { authorization: `Bearer ${key}`, accept: 'text/html' } })
    if (!response.ok) {
      sessionStorage.removeItem(KEY)
      return false
    }
    sessionStorage.setItem(KEY, key)
    const page = await response.text()
    document.open()
    document.write(page)
    document.close()
    return true
  }

  document.getElementById('sign-in').addEventListener('submit', async event => {
    event.preventDefault()
    try {
      if (!(await open(document.getElementById('key').value.trim()))) status.textContent = 'That is not the key.'
    } catch {
      status.textContent = 'The service cannot be reached.'
    }
  })

  const kept = sessionStorage.getItem(KEY)
  if (kept) open(kept).catch(() => {})
}
