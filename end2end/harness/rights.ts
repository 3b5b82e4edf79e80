import type postgres from "postgres";
import { type Row, type Rows, rowKey } from "./sync-client.ts";

/** What row-level security lets users read of the published tables, as PowerSync maps Postgres's values. */
export class Rights {
  private constructor(
    private readonly sql: postgres.Sql,
    private readonly select: string,
  ) {}

  static async of(sql: postgres.Sql): Promise<Rights> {
    const columns = await sql<{ table: string; columns: { name: string; type: string }[] }[]>`
      SELECT tablename AS "table", json_agg(json_build_object('name', quote_ident(column_name), 'type', data_type)) AS columns
      FROM pg_publication_tables
      JOIN information_schema.columns ON table_schema = schemaname AND table_name = tablename
      WHERE pubname = 'powersync' AND column_name <> 'id'
      GROUP BY tablename`;
    const selects = columns.map(({ table, columns }) => {
      const members = columns.map(({ name, type }) => `'${name}', ${mapped(name, type)}`);
      return `SELECT '${table}' AS "table", id, json_build_object(${members.join(", ")}) AS row FROM ${table}`;
    });
    return new Rights(sql, selects.join(" UNION ALL "));
  }

  /** The rows that this user may read. */
  async readable(userId: string): Promise<Rows> {
    return this.sql.begin(async (sql) => {
      await sql`SELECT set_config('role', 'app_user', true), set_config('app.user_id', ${userId}, true)`;
      return this.rows(sql);
    });
  }

  /** The rows that there are. */
  async all(): Promise<Rows> {
    return this.rows(this.sql);
  }

  private async rows(sql: postgres.ISql): Promise<Rows> {
    const rows = await sql.unsafe<{ table: string; id: string; row: Row }[]>(this.select);
    return new Map(rows.map(({ table, id, row }) => [rowKey(table, id), row]));
  }
}

function mapped(column: string, type: string): string {
  switch (type) {
    case "text":
    case "integer":
    case "bigint":
    case "double precision":
      return column;
    case "boolean":
      return `${column}::int`;
    case "timestamp with time zone":
      return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
    default:
      throw new Error(`Write here how PowerSync maps ${type}, the type of ${column}.`);
  }
}
