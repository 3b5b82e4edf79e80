// The lines of an open stream, and what else happens to it, one by one.

/** Opens `/sync/stream` and gives its lines. It reads no further than its caller does, so a caller who stops is felt by the service. */
export async function* lines(endpoint, token, request, signal) {
  const response = await fetch(`${endpoint}/sync/stream`, {
    method: 'POST',
    headers: {
      authorization: `Token ${token}`,
      'content-type': 'application/json',
      accept: 'application/vnd.powersync.bson-stream;q=0.9,application/x-ndjson;q=0.8'
    },
    body: JSON.stringify(request),
    signal
  })
  if (response.status !== 200) {
    throw Object.assign(new Error(`HTTP ${response.status}: ${await response.text()}`), { status: response.status })
  }
  yield null
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const bytes of response.body) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = parts.pop()
    yield* parts
  }
}

/** Merges the lines with the events that others inject; lines are asked for one at a time. */
export class Events {
  #lines
  #next
  #injected = []
  #wake

  constructor(lines) {
    this.#lines = lines
  }

  inject(command, payload = null) {
    this.#injected.push({ command, payload })
    this.#wake?.()
  }

  /** The next event; null when the stream had ended before. */
  async next() {
    if (this.#injected.length > 0) {
      return this.#injected.shift()
    }
    if (this.#lines === null) {
      return null
    }
    this.#next ??= this.#lines.next()
    const woken = new Promise((resolve) => (this.#wake = () => resolve('woken')))
    const first = await Promise.race([this.#next, woken])
    this.#wake = undefined
    if (first === 'woken') {
      return this.#injected.shift()
    }
    this.#next = undefined
    if (first.done) {
      this.#lines = null
      return { command: 'connection', payload: 'end' }
    }
    return first.value === null
      ? { command: 'connection', payload: 'established' }
      : { command: 'line_text', payload: first.value }
  }

  /** Lets go of what is still being waited for. */
  abandon() {
    this.#next?.catch(() => {})
    this.#lines?.return?.().catch?.(() => {})
  }
}
