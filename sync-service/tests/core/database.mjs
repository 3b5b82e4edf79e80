// SQLite with the PowerSync core, as the SDK's wasm file has it, on files that live in memory.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

import loadModule from '@journeyapps/wa-sqlite/dist/wa-sqlite.mjs'
import { MemoryVFS } from '@journeyapps/wa-sqlite/src/examples/MemoryVFS.js'
import { Factory, SQLITE_ROW } from '@journeyapps/wa-sqlite/src/sqlite-api.js'

const OPEN_READWRITE_CREATE = 6

let loaded

/** The one wasm instance of this process; every client has a connection and a file of its own in it. */
async function sqlite() {
  loaded ??= (async () => {
    const path = createRequire(import.meta.url).resolve('@journeyapps/wa-sqlite/dist/wa-sqlite.wasm')
    const module = await loadModule({ wasmBinary: await readFile(path) })
    const vfs = await MemoryVFS.create('memory', module)
    const api = Factory(module)
    api.vfs_register(vfs, true)
    module.ccall('powersync_init_static', 'int', [])
    return { api, vfs }
  })()
  return loaded
}

export class Database {
  #api
  #vfs
  #handle
  #file
  #last = Promise.resolve()

  /** Opens the file; what an earlier connection left in it is still there. */
  static async open(file, schema) {
    const database = new Database()
    const { api, vfs } = await sqlite()
    database.#api = api
    database.#vfs = vfs
    database.#file = file
    database.#handle = await api.open_v2(file, OPEN_READWRITE_CREATE)
    await database.query('PRAGMA temp_store = memory')
    await database.query('PRAGMA cache_size = -51200')
    await database.transaction(async () => {
      await database.query('SELECT powersync_init()')
      await database.query('SELECT powersync_replace_schema(?)', [JSON.stringify(schema)])
    })
    return database
  }

  async close({ forget = false } = {}) {
    await this.exclusively(() => this.#api.close(this.#handle))
    if (forget) {
      this.#vfs.mapNameToFile.delete(new URL(this.#file, 'file://').pathname)
    }
  }

  /** Runs one statement outside of everybody's turn: the caller has to have the turn, or nobody else may use the database. */
  async query(sql, parameters = []) {
    const api = this.#api
    for await (const statement of api.statements(this.#handle, sql)) {
      api.bind_collection(statement, parameters)
      const rows = []
      while ((await api.step(statement)) === SQLITE_ROW) {
        rows.push(api.row(statement))
      }
      return rows
    }
    return []
  }

  /** Runs a function when all that were here before have ended. */
  exclusively(run) {
    const result = this.#last.then(run)
    this.#last = result.then(() => {}, () => {})
    return result
  }

  transaction(run) {
    return this.exclusively(async () => {
      await this.query('BEGIN IMMEDIATE')
      try {
        const result = await run()
        await this.query('COMMIT')
        return result
      } catch (error) {
        if (this.#api.get_autocommit(this.#handle) === 0) {
          await this.query('ROLLBACK')
        }
        throw error
      }
    })
  }
}
