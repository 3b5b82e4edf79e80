// Hosts sync clients for a test: takes commands as JSON lines on stdin and answers on stdout.
//
// A command is {id, do, client, …}; its answer {id, answer} or {id, error}. What a client needs from the test comes as
// {ask, call, …} and is answered by the command {do: "answer", call, answer} or {…, error}.

import { createInterface } from 'node:readline'

import { Client } from './client.mjs'

const clients = new Map()
const calls = new Map()
let lastCall = 0

// An integer that JavaScript cannot hold as a number goes as text.
const plain = (_, value) => (typeof value === 'bigint' ? value.toString() : value)
const send = (message) => process.stdout.write(JSON.stringify(message, plain) + '\n')

function ask(what, details) {
  const call = (lastCall += 1)
  send({ ask: what, call, ...details })
  return new Promise((resolve, reject) => calls.set(call, { resolve, reject }))
}

const same = (a, b) => JSON.stringify(a, plain) === JSON.stringify(b, plain)

const commands = {
  async open(client, command) {
    clients.set(command.client, await Client.open(command, ask))
  },
  async close(client, { client: name, forget }) {
    await client.close({ forget })
    clients.delete(name)
  },
  configure: (client, command) => client.configure(command.options),
  connect: (client) => client.connect(),
  disconnect: (client) => client.disconnect(),
  execute: (client, { statements }) => client.execute(statements),
  query: (client, { sql, parameters }) => client.query(sql, parameters),
  subscribe: (client, command) => client.subscribe(command),
  unsubscribe: (client, command) => client.unsubscribe(command),
  report: (client) => client.report(),
  watch: (client, { sql }) => client.watch(sql),
  history: (client) => client.history,
  pause_after: (client, { ops }) => client.pauseAfter(ops),
  resume: (client) => client.resume(),
  barrier: (client, { timeout_ms }) => client.barrier(timeout_ms),

  /** Waits until a query has that result. */
  async wait_rows(client, { sql, rows, timeout_ms }) {
    let seen
    try {
      await client.until(async () => same((seen = await client.query(sql)), rows), timeout_ms)
    } catch (error) {
      throw new Error(`${error.message}, the rows are ${JSON.stringify(seen, plain)}`)
    }
  },

  /** Waits until the report has these values; of numbers, at least these. */
  wait_report(client, { values, timeout_ms }) {
    const holds = () => {
      const report = client.report()
      const reached = ([key, value]) => (typeof value === 'number' ? report[key] >= value : same(report[key], value))
      return Object.entries(values).every(reached)
    }
    return client.until(holds, timeout_ms)
  },

  /** Times a first sync: over the network, and of the same lines out of memory. */
  async time_first_sync(client, { client: name, floor, options, timeout_ms }) {
    const events = client.capture()
    const begin = performance.now()
    client.connect()
    await client.until(() => client.counts.checkpoints > 0, timeout_ms)
    const from_service = performance.now() - begin
    await client.disconnect()
    const other = await Client.open({ ...options, client: floor }, ask)
    const replayed = performance.now()
    await other.replay(events)
    const from_memory = performance.now() - replayed
    await other.close({ forget: true })
    return { ops: client.counts.ops, lines: events.length, from_service, from_memory }
  }
}

async function run({ id, do: name, ...command }) {
  if (name === 'answer') {
    const { resolve, reject } = calls.get(command.call)
    calls.delete(command.call)
    return 'error' in command ? reject(new Error(command.error)) : resolve(command.answer)
  }
  try {
    const client = clients.get(command.client)
    if (client === undefined && name !== 'open') {
      throw new Error(`no client ${command.client}`)
    }
    send({ id, answer: (await commands[name](client, command)) ?? null })
  } catch (error) {
    send({ id, error: `${name}: ${error.stack}` })
  }
}

createInterface({ input: process.stdin }).on('line', (line) => run(JSON.parse(line))).on('close', () => process.exit(0))
