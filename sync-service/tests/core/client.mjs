// One sync client: it does with the core what the SDK does with it.

import { Database } from './database.mjs'
import { Events, lines } from './lines.mjs'

/** What stands for "uploaded, but no write checkpoint was asked for yet"; the SDK's MAX_OP_ID. */
const NO_CHECKPOINT_YET = '9223372036854775807'

const BARRIER_RETRY_MS = 2000

export class Client {
  #database
  #options
  /** Asks the test: for a token, or to take an upload. */
  #ask
  #token = null
  #active = []
  #connection = null
  #events = null
  #waiting = new Set()
  #watched = null
  #pauseAfter = Infinity
  #resume = null
  #upload = () => {}
  #capture = null

  status = { connected: false }
  counts = { connections: 0, lines: 0, ops: 0, partial: 0, checkpoints: 0, tokens: 0, uploads: 0, checksum_failures: 0 }
  warnings = []
  errors = []
  completed = '0'
  applied = -1n
  paused = false
  history = []

  static async open(options, ask) {
    const client = new Client()
    client.#options = { retry_ms: 50, throttle_ms: 0, parameters: {}, include_defaults: true, ...options }
    client.#ask = ask
    client.#database = await Database.open(options.client, options.schema)
    return client
  }

  async close(options) {
    await this.disconnect()
    await this.#database.close(options)
  }

  /** Changes where or as whom it connects the next time. */
  configure(options) {
    Object.assign(this.#options, options)
  }

  query(sql, parameters) {
    return this.#database.exclusively(() => this.#database.query(sql, parameters))
  }

  /** Runs statements in one transaction, and uploads what they have written. */
  async execute(statements) {
    await this.#database.transaction(async () => {
      for (const [sql, parameters] of statements) {
        await this.#database.query(sql, parameters)
      }
    })
    this.#upload()
    await this.#changed()
  }

  async subscribe({ stream, params = null, ttl, priority, active = true }) {
    const subscribe = { stream: { name: stream, params }, ttl, priority }
    await this.#control('subscriptions', JSON.stringify({ subscribe }))
    if (active) {
      this.#active.push({ name: stream, params })
    }
    this.#subscriptionsChanged()
  }

  async unsubscribe({ stream, params = null, all = false }) {
    if (all) {
      await this.#control('subscriptions', JSON.stringify({ unsubscribe: { name: stream, params } }))
    }
    const same = (s) => s.name === stream && JSON.stringify(s.params) === JSON.stringify(params)
    this.#active = this.#active.filter((s) => !same(s))
    this.#subscriptionsChanged()
  }

  #subscriptionsChanged() {
    this.#events?.inject('update_subscriptions', JSON.stringify(this.#active))
  }

  /** Notes the result of a query after everything that the core publishes, for `history`. */
  async watch(sql) {
    this.#watched = sql
    this.history = []
    await this.#note()
  }

  async #note() {
    if (this.#watched === null) {
      return
    }
    const rows = await this.query(this.#watched)
    if (JSON.stringify(rows) !== JSON.stringify(this.history.at(-1))) {
      this.history.push(rows)
    }
  }

  /** Stops reading when so many operations were received in all. */
  pauseAfter(ops) {
    this.#pauseAfter = ops
  }

  resume() {
    this.#pauseAfter = Infinity
    this.#resume?.()
  }

  connect() {
    if (this.#connection !== null) {
      return
    }
    const controller = new AbortController()
    const { signal } = controller
    this.#connection = { controller, done: Promise.all([this.#download(signal), this.#uploads(signal)]) }
  }

  async disconnect() {
    if (this.#connection === null) {
      return
    }
    const { controller, done } = this.#connection
    controller.abort()
    this.resume()
    await done
    this.#connection = null
    this.status = { ...this.status, connected: false }
  }

  async #download(signal) {
    while (!signal.aborted) {
      let again = false
      try {
        again = await this.#iteration(signal)
      } catch (error) {
        if (!signal.aborted) {
          this.errors.push(String(error.message) + (error.cause ? ` (${error.cause.message})` : ''))
          if (error.status === 401) {
            this.#token = null
          }
        }
      }
      this.status = { ...this.status, connected: false }
      await this.#changed()
      if (!again) {
        await pause(this.#options.retry_ms, signal)
      }
    }
  }

  async #credentials() {
    if (this.#token === null) {
      this.counts.tokens += 1
      this.#token = await this.#ask('token', { user: this.#options.user })
    }
    return this.#token
  }

  async #control(command, payload = null) {
    const sql = 'SELECT CAST(powersync_control(?, ?) AS TEXT)'
    const [[answer]] = await this.#database.transaction(() => this.#database.query(sql, [command, payload]))
    return answer
  }

  /** One stream, from its request to its end. Gives whether the next one is to follow at once. */
  async #iteration(signal) {
    const { parameters, schema, include_defaults } = this.#options
    const start = { parameters, schema, include_defaults, active_streams: this.#active, app_metadata: {}, checkpoint_mode: 'legacy' }
    const stop = new AbortController()
    const abort = () => stop.abort()
    signal.addEventListener('abort', abort, { once: true })
    let events = null
    try {
      for (const instruction of JSON.parse(await this.#control('start', JSON.stringify(start)))) {
        if ('EstablishSyncStream' in instruction) {
          const token = await this.#credentials()
          this.counts.connections += 1
          events = new Events(lines(this.#options.endpoint, token, instruction.EstablishSyncStream.request, stop.signal))
        } else if ('CloseSyncStream' in instruction) {
          return false
        } else {
          this.#handle(instruction)
        }
      }
      this.#events = events
      let first = true
      for (let event; (event = await events.next()) !== null; ) {
        if (event.command === 'line_text') {
          if (first) {
            first = false
            this.#upload()
          }
          await this.#pauseIfAsked()
          this.#count(event.payload)
        }
        if (signal.aborted) {
          return false
        }
        this.#capture?.push(event)
        const instructions = JSON.parse(await this.#control(event.command, event.payload))
        for (const instruction of instructions) {
          if ('CloseSyncStream' in instruction) {
            return instruction.CloseSyncStream.hide_disconnect
          }
          this.#handle(instruction)
        }
        if (instructions.length > 0 || this.counts.ops >= this.#pauseAfter) {
          await this.#changed()
        }
      }
      return false
    } finally {
      this.#events = null
      signal.removeEventListener('abort', abort)
      stop.abort()
      events?.abandon()
      JSON.parse(await this.#control('stop')).forEach((instruction) => this.#handle(instruction))
    }
  }

  /** Waits before the next line is taken, where a test wants the client to be slow. */
  async #pauseIfAsked() {
    if (this.counts.ops < this.#pauseAfter) {
      return
    }
    this.paused = true
    const resumed = new Promise((resolve) => (this.#resume = resolve))
    await this.#changed()
    await resumed
    this.paused = false
  }

  #count(line) {
    this.counts.lines += 1
    if (line.startsWith('{"data":')) {
      // Inside of a row's data the quotes are escaped, so this finds the operations only.
      this.counts.ops += line.split('"op_id"').length - 1
      return
    }
    const { checkpoint_complete, partial_checkpoint_complete } = JSON.parse(line)
    if (checkpoint_complete !== undefined) {
      this.counts.checkpoints += 1
      this.completed = checkpoint_complete.last_op_id
    }
    if (partial_checkpoint_complete !== undefined) {
      this.counts.partial += 1
    }
  }

  #handle(instruction) {
    if ('LogLine' in instruction) {
      const { severity, line } = instruction.LogLine
      if (severity === 'WARNING') {
        this.warnings.push(line)
      }
      if (line.includes("Checksums didn't match")) {
        this.counts.checksum_failures += 1
      }
    } else if ('UpdateSyncStatus' in instruction) {
      this.status = instruction.UpdateSyncStatus.status
    } else if ('FetchCredentials' in instruction) {
      this.#token = null
      if (!instruction.FetchCredentials.did_expire) {
        const events = this.#events
        this.#credentials().then(() => events?.inject('refreshed_token'))
      }
    } else if ('DidCompleteSync' in instruction) {
      const id = instruction.DidCompleteSync.applied_checkpoint_request_id
      if (id !== undefined) {
        this.applied = BigInt(id)
      }
    }
  }

  async #uploads(signal) {
    while (!signal.aborted) {
      let wake
      const woken = new Promise((resolve) => (wake = resolve))
      this.#upload = wake
      signal.addEventListener('abort', wake, { once: true })
      await this.#uploadAll(signal)
      await Promise.all([woken, pause(this.#options.throttle_ms, signal)])
      signal.removeEventListener('abort', wake)
    }
  }

  async #uploadAll(signal) {
    while (!signal.aborted) {
      try {
        const crud = await this.query(
          'SELECT id, tx_id, data FROM ps_crud WHERE tx_id IS (SELECT tx_id FROM ps_crud ORDER BY id LIMIT 1) ORDER BY id'
        )
        if (crud.length === 0) {
          if (await this.#updateTarget()) {
            this.#events?.inject('completed_upload')
          }
          return
        }
        const entries = crud.map(([id, tx_id, data]) => ({ op_id: id, tx_id, ...JSON.parse(data) }))
        await this.#ask('upload', { client: this.#options.client, user: this.#options.user, crud: entries })
        this.counts.uploads += 1
        await this.#database.transaction(async () => {
          await this.#database.query('DELETE FROM ps_crud WHERE id <= ?', [crud.at(-1)[0]])
          await this.#target(NO_CHECKPOINT_YET)
        })
      } catch (error) {
        this.errors.push(`upload: ${error.message}`)
        await pause(this.#options.retry_ms, signal)
        if (!this.status.connected) {
          return
        }
      }
    }
  }

  async #target(value = null) {
    const sql = "SELECT CAST(powersync_control('target_checkpoint_request_id', ?) AS TEXT)"
    return (await this.#database.query(sql, [value]))[0][0]
  }

  /** Has the core wait for what was uploaded, once it is known which checkpoint that is. */
  async #updateTarget() {
    const sequence = async () => {
      const rows = await this.#database.query("SELECT seq FROM sqlite_sequence WHERE name = 'ps_crud'")
      return rows[0]?.[0]
    }
    const before = await this.#database.transaction(async () =>
      (await this.#target()) === NO_CHECKPOINT_YET ? sequence() : undefined
    )
    if (before === undefined) {
      return false
    }
    const value = await this.#writeCheckpoint()
    return this.#database.transaction(async () => {
      const left = await this.#database.query('SELECT 1 FROM ps_crud LIMIT 1')
      if (left.length > 0 || (await sequence()) !== before) {
        return false
      }
      await this.#target(value)
      return true
    })
  }

  async #writeCheckpoint() {
    const id = (await this.query('SELECT powersync_client_id()'))[0][0]
    const response = await fetch(`${this.#options.endpoint}/write-checkpoint2.json?client_id=${id}`, {
      headers: { authorization: `Token ${await this.#credentials()}` }
    })
    if (response.status === 401) {
      this.#token = null
    }
    if (response.status !== 200) {
      throw new Error(`HTTP ${response.status}: ${await response.text()}`)
    }
    return (await response.json()).data.write_checkpoint
  }

  /** Resolves when the client has applied everything that was committed before the call. */
  async barrier(timeout_ms) {
    const end = performance.now() + timeout_ms
    for (;;) {
      // A value can be lost with the service's schema, so it is asked for again.
      const value = await this.#writeCheckpoint().then(BigInt, () => null)
      const left = Math.min(BARRIER_RETRY_MS, end - performance.now())
      try {
        await this.until(() => value !== null && this.applied >= value, value === null ? Math.min(100, left) : left)
        return
      } catch {
        if (performance.now() >= end) {
          throw new Error(`not there in time: ${JSON.stringify(this.report())}`)
        }
      }
    }
  }

  /** Resolves when a condition holds; it is looked at whenever something has happened. */
  until(holds, timeout_ms) {
    return new Promise((resolve, reject) => {
      const look = async () => {
        try {
          if (await holds()) {
            this.#waiting.delete(look)
            clearTimeout(timer)
            resolve()
          }
        } catch (error) {
          this.#waiting.delete(look)
          clearTimeout(timer)
          reject(error)
        }
      }
      const late = () => {
        this.#waiting.delete(look)
        reject(new Error(`in vain: ${JSON.stringify(this.report())}`))
      }
      const timer = setTimeout(late, Math.max(timeout_ms, 0))
      this.#waiting.add(look)
      look()
    })
  }

  async #changed() {
    await this.#note()
    await Promise.all([...this.#waiting].map((look) => look()))
  }

  report() {
    const { status, counts, warnings, errors, completed, paused } = this
    const { connected, priority_status, streams } = status
    const applied = this.applied.toString()
    return { connected, priority_status, streams, ...counts, warnings, errors: errors.slice(-5), completed, applied, paused }
  }

  /** Keeps what the core is given from now on. */
  capture() {
    this.#capture = []
    return this.#capture
  }

  /** Gives the core events that were captured, as fast as it takes them. */
  async replay(events) {
    await this.#control('start', JSON.stringify({ schema: this.#options.schema, checkpoint_mode: 'legacy' }))
    try {
      for (const { command, payload } of events) {
        JSON.parse(await this.#control(command, payload)).forEach((instruction) => this.#handle(instruction))
      }
    } finally {
      await this.#control('stop')
    }
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done() {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) {
      done()
    }
  })
}
