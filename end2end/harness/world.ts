import type postgres from "postgres";
import type { Random } from "./random.ts";

// What makes an id hard to quote, to split and to compare.
const oddities = ["", "'", '"', "\\", "[1]", "|", ":", "%", "{}", " ", "\n", "ä", "🙂"];

/**
 * Thousands of users who make, share and delete lists, straight in Postgres. What the app never does is not done here
 * either: a list's owner does not change and stays on it.
 */
export class World {
  /** Everybody there has ever been. */
  readonly users: string[] = [];
  private readonly gone = new Set<string>();
  readonly lists: string[] = [];
  private readonly todos: string[] = [];
  private made = 0;

  constructor(
    private readonly sql: postgres.Sql,
    private readonly random: Random,
    /** What all users' ids begin with. */
    private readonly prefix: string,
  ) {}

  /** Whether a user has been deleted. */
  isGone(user: string): boolean {
    return this.gone.has(user);
  }

  /** Makes so many users, and the first of everything. Nothing is changed yet, so no bucket has a history. */
  async populate(users: number) {
    this.users.push(...Array.from({ length: users }, () => this.id()));
    await this.sql.begin(async (sql) => {
      await sql`INSERT INTO users (id) SELECT unnest(${this.users}::text[])`;
      for (let times = users / 100; times > 0; times--) {
        for (const change of [this.makeLists, this.makeTodos, this.join, this.invite, this.reject]) await change.call(this, sql);
      }
    });
  }

  /** So many transactions, of one to four kinds of change each. */
  async change(transactions: number) {
    for (let left = transactions; left > 0; left--) {
      await this.sql.begin(async (sql) => {
        for (let kinds = 1 + this.random.below(4); kinds > 0; kinds--) await this.random.pick(this.changes).call(this, sql);
      });
    }
  }

  /** Writes a row for each of these users that are left, with that id before the user's own. */
  async mark(users: string[], id: string) {
    await this.sql`
      INSERT INTO rejections (id, user_id, table_name, row_id, operation, code, reason)
      SELECT ${id} || id, id, 'todos', '', 'PUT', 'mark', '' FROM users WHERE id = ANY (${users})`;
  }

  /** Deletes everybody, and with them all there is. */
  async clear() {
    await this.sql`DELETE FROM users WHERE id = ANY (${this.users})`;
  }

  // One kind is twice there because the others need lists.
  private readonly changes = [
    this.makeLists,
    this.makeLists,
    this.renameLists,
    this.deleteLists,
    this.makeTodos,
    this.changeTodos,
    this.moveTodos,
    this.deleteTodos,
    this.join,
    this.join,
    this.changeRoles,
    this.leave,
    this.invite,
    this.withdraw,
    this.reject,
    this.dismiss,
    this.nameUsers,
    this.deleteUsers,
  ];

  private async makeLists(sql: postgres.TransactionSql) {
    const ids = this.many(80, () => this.id());
    const owners = ids.map(() => this.random.pick(this.users));
    await sql`
      INSERT INTO lists (id, owner_id, name, created_at)
      SELECT list, users.id, 'L ' || list, ${this.time()}::timestamptz
      FROM unnest(${ids}::text[], ${owners}::text[]) AS made (list, owner) JOIN users ON users.id = owner`;
    this.lists.push(...ids);
  }

  private async renameLists(sql: postgres.TransactionSql) {
    await sql`UPDATE lists SET name = ${`Renamed ${this.made++}`} WHERE id = ANY (${this.many(40, () => this.list())})`;
  }

  private async deleteLists(sql: postgres.TransactionSql) {
    // Of the later ones, because the first are those that many share.
    await sql`DELETE FROM lists WHERE id = ANY (${this.many(8, () => this.random.pick(this.lists))})`;
  }

  private async makeTodos(sql: postgres.TransactionSql) {
    const ids = this.many(150, () => this.id());
    await sql`
      INSERT INTO todos (id, list_id, title, done, created_at)
      SELECT todo, lists.id, 'T ' || todo, ${this.random.oneIn(2)}, ${this.time()}::timestamptz
      FROM unnest(${ids}::text[], ${ids.map(() => this.list())}::text[]) AS made (todo, list) JOIN lists ON lists.id = list`;
    this.todos.push(...ids);
  }

  private async changeTodos(sql: postgres.TransactionSql) {
    await sql`UPDATE todos SET done = NOT done WHERE id = ANY (${this.many(80, () => this.todo())})`;
  }

  private async moveTodos(sql: postgres.TransactionSql) {
    const ids = this.many(30, () => this.todo());
    await sql`
      UPDATE todos SET list_id = lists.id
      FROM unnest(${ids}::text[], ${ids.map(() => this.list())}::text[]) AS moved (todo, list) JOIN lists ON lists.id = list
      WHERE todos.id = todo`;
  }

  private async deleteTodos(sql: postgres.TransactionSql) {
    await sql`DELETE FROM todos WHERE id = ANY (${this.many(40, () => this.todo())})`;
  }

  private async join(sql: postgres.TransactionSql) {
    const ids = this.many(100, () => this.id());
    await sql`
      INSERT INTO members (id, list_id, user_id, role, name)
      SELECT made.id, lists.id, users.id, ${this.role()}, users.name
      FROM unnest(${ids}::text[], ${ids.map(() => this.list())}::text[], ${ids.map(() => this.user())}::text[])
        AS made (id, list, who) JOIN lists ON lists.id = list JOIN users ON users.id = who
      ON CONFLICT (list_id, user_id) DO NOTHING`;
  }

  private async changeRoles(sql: postgres.TransactionSql) {
    await sql`
      UPDATE members SET role = ${this.role()}
      WHERE role <> 'owner' AND list_id = ANY (${this.many(10, () => this.list())})`;
  }

  /** Members leave by themselves, or a list's owner removes them: it is the same to Postgres. */
  private async leave(sql: postgres.TransactionSql) {
    await sql`
      DELETE FROM members
      WHERE role <> 'owner' AND (user_id = ANY (${this.many(30, () => this.user())})
        OR list_id = ANY (${this.many(4, () => this.random.pick(this.lists))}))`;
  }

  private async invite(sql: postgres.TransactionSql) {
    const ids = this.many(40, () => this.id().padStart(40, "i"));
    await sql`
      INSERT INTO invitations (id, list_id, role)
      SELECT invitation, lists.id, ${this.role()}
      FROM unnest(${ids}::text[], ${ids.map(() => this.list())}::text[]) AS made (invitation, list)
      JOIN lists ON lists.id = list`;
  }

  private async withdraw(sql: postgres.TransactionSql) {
    await sql`DELETE FROM invitations WHERE list_id = ANY (${this.many(30, () => this.list())})`;
  }

  private async reject(sql: postgres.TransactionSql) {
    const changes = this.random.oneIn(2) ? null : '[{"table":"todos"}]';
    await sql`
      INSERT INTO rejections (id, user_id, table_name, row_id, operation, code, reason, changes)
      SELECT ${this.id()} || id, id, 'todos', ${this.todo()}, 'PATCH', 'forbidden', 'No.', ${changes}
      FROM users WHERE id = ANY (${this.many(40, () => this.user())})`;
  }

  private async dismiss(sql: postgres.TransactionSql) {
    await sql`DELETE FROM rejections WHERE user_id = ANY (${this.many(20, () => this.user())}) AND code <> 'mark'`;
  }

  private async nameUsers(sql: postgres.TransactionSql) {
    const names = this.many(10, () => `Name ${this.made++} ${this.prefix}`);
    await sql`
      UPDATE users SET name = named.name, password_hash = ''
      FROM unnest(${names}::text[], ${names.map(() => this.user())}::text[]) AS named (name, who) WHERE users.id = who`;
  }

  private async deleteUsers(sql: postgres.TransactionSql) {
    const users = this.many(3, () => this.user());
    await sql`DELETE FROM users WHERE id = ANY (${users})`;
    for (const user of users) this.gone.add(user);
  }

  private many<T>(most: number, one: () => T): T[] {
    return Array.from({ length: 1 + this.random.below(most) }, one);
  }

  private id(): string {
    return `${this.prefix}${this.made++}${this.random.pick(oddities)}`;
  }

  private user(): string {
    return this.random.pick(this.users);
  }

  /** One in ten times, one of the few lists that many share. */
  private list(): string {
    return this.random.pick(this.random.oneIn(10) ? this.lists.slice(0, 12) : this.lists);
  }

  private todo(): string {
    return this.random.pick(this.todos);
  }

  private role(): string {
    return this.random.pick(["editor", "reader"]);
  }

  private time(): string {
    return new Date(this.random.below(2 ** 31) * 1000 + this.random.below(1000)).toISOString();
  }
}
