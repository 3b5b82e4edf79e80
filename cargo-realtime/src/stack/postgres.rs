//! The private Postgres cluster: made once, started when it does not run, stopped in order.
//!
//! It listens on 127.0.0.1 only, without sockets in the file system (their paths may be 107 bytes long, which a folder of
//! the user's choice cannot promise). Only the role `realtime` may log in, with a password. The superuser cannot log in at
//! all: the little that needs one is done in single-user mode, before the cluster starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};
use sysinfo::Process;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::os_user::{OsUser, postgres_base};
use super::postgres_binaries::{self, Binaries};
use super::state::Cluster;
use super::{Stack, port, process, secret};

/// How long a start may take, crash recovery included.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How often another port is tried when somebody takes ours first.
const PORT_ATTEMPTS: usize = 5;

/// Makes the cluster if there is none, and starts it if it does not run. Repeating it changes nothing.
pub async fn ensure_running(stack: &mut Stack) -> Result<()> {
    let user = OsUser::for_postgres()?;
    let cluster = match stack.state.postgres.clone() {
        Some(cluster) => cluster,
        None => plan(stack)?,
    };
    if pid(&cluster).is_some() && stack.state.postgres.is_some() {
        return wait_until_ready(&cluster).await;
    }
    clear_crash(&cluster).await?;
    make(stack, cluster, user.as_ref()).await?;
    start(stack, user.as_ref()).await
}

/// The pid of the running cluster.
pub fn pid(cluster: &Cluster) -> Option<u32> {
    let noted = fs::read_to_string(cluster.data().join("postmaster.pid")).ok()?;
    let pid = noted.lines().next()?.trim().parse().ok()?;
    process::is_running(pid, |process| is_ours(cluster, process)).then_some(pid)
}

/// Stops the cluster if it runs, and says which process that was. Clients are disconnected, what they committed is kept.
pub async fn stop(cluster: &Cluster) -> Result<Option<u32>> {
    let Some(pid) = pid(cluster) else { return Ok(None) };
    // Postgres' words: SIGINT is a fast shutdown, SIGQUIT an immediate one with recovery at the next start.
    let signals = [
        (Signal::SIGINT, Duration::from_secs(30)),
        (Signal::SIGQUIT, Duration::from_secs(10)),
        (Signal::SIGKILL, Duration::from_secs(5)),
    ];
    process::stop(pid, |process| is_ours(cluster, process), &signals).await?;
    Ok(Some(pid))
}

impl Cluster {
    /// Where the role `realtime` finds the database `name`. Holds its password.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://realtime:{}@127.0.0.1:{}/{name}", self.password, self.port)
    }

    /// The same without the password, for people to read.
    pub fn public_url(&self, name: &str) -> String {
        format!("postgres://realtime@127.0.0.1:{}/{name}", self.port)
    }

    /// What Postgres has said.
    pub fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

fn is_ours(cluster: &Cluster, process: &Process) -> bool {
    process::has_argument(process, "-D", &cluster.data())
}

/// Clears away what a killed cluster leaves behind, so that Postgres need not guess whether its old pid is still it: the
/// file with that pid, after any backend that outlived the first process. All of them work in the data directory.
async fn clear_crash(cluster: &Cluster) -> Result<()> {
    let data = cluster.data();
    let pid_file = data.join("postmaster.pid");
    if pid(cluster).is_some() || !pid_file.exists() {
        return Ok(());
    }
    let is_orphan = |process: &Process| process.cwd() == Some(&data);
    let signals = [(Signal::SIGQUIT, Duration::from_secs(5)), (Signal::SIGKILL, Duration::from_secs(5))];
    for orphan in process::find(is_orphan) {
        process::stop(orphan, is_orphan, &signals).await?;
    }
    fs::remove_file(&pid_file).with_context(|| format!("Cannot remove {}", pid_file.display()))
}

/// The cluster of a stack whose state does not have one: where it will be, or is, if the state was lost.
pub fn plan(stack: &Stack) -> Result<Cluster> {
    let base = postgres_base(&stack.home, OsUser::for_postgres()?.as_ref());
    Ok(Cluster {
        dir: base.join("postgres"),
        port: port::choose(&stack.home, port::POSTGRES, &[])?,
        password: secret::token()?,
    })
}

/// Brings the cluster's files into being, as far as they are not: folders, `initdb`, the role `realtime`.
async fn make(stack: &mut Stack, cluster: Cluster, user: Option<&OsUser>) -> Result<()> {
    let base = cluster.dir.parent().context("The cluster's folder has no parent")?.to_owned();
    fs::create_dir_all(&cluster.dir).with_context(|| format!("Cannot make {}", cluster.dir.display()))?;
    fs::set_permissions(&cluster.dir, fs::Permissions::from_mode(0o700))?;
    if let Some(user) = user {
        // The user that Postgres runs as passes through; the secrets beside it stay closed (0600).
        fs::set_permissions(&base, fs::Permissions::from_mode(0o711))?;
        user.own(&cluster.dir)?;
    }
    let data = cluster.data();
    let made_by = fs::read_to_string(data.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
    let binaries = postgres_binaries::find_or_install(&base, made_by, &stack.progress).await?;
    if made_by.is_none() {
        initialise(stack, &binaries, &cluster, user).await?;
    }
    if stack.state.postgres.is_none() {
        // Either the cluster is new, or the file with its password is lost: both need the role's password set, and
        // that needs the cluster for itself.
        stop(&cluster).await?;
        set_role(&binaries, &cluster, user).await?;
        stack.state.postgres = Some(cluster);
        stack.save()?;
    }
    stack.binaries = Some(binaries);
    Ok(())
}

async fn initialise(
    stack: &Stack,
    binaries: &Binaries,
    cluster: &Cluster,
    user: Option<&OsUser>,
) -> Result<()> {
    let step = stack.progress.step(format!(
        "Making a private Postgres {} cluster in {}",
        binaries.major,
        cluster.dir.display()
    ));
    // Renamed when it is whole, so that an interrupted `initdb` is never mistaken for a cluster.
    let unfinished = cluster.dir.join("data.unfinished");
    let mut refusal = String::new();
    // The order of code points is SQLite's, too. Systems without this locale have only bytes to go by.
    for locale in ["C.UTF-8", "C"] {
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        let mut initdb = binaries.command("initdb");
        initdb.arg("-D").arg(&unfinished).args(["--encoding=UTF8", "--username=postgres", "--auth=reject"]);
        initdb.arg(format!("--locale={locale}")).arg("--no-instructions");
        match run(initdb, user, "").await {
            Ok(_) => {
                configure(&unfinished, user)?;
                fs::rename(&unfinished, cluster.data())?;
                step.done(format!("Made a private Postgres {} cluster", binaries.major));
                return Ok(());
            }
            Err(error) => refusal = format!("{error:#}"),
        }
    }
    bail!("Postgres could not make a cluster in {}.\n{refusal}", cluster.dir.display())
}

/// What stays the same for the life of the cluster; [`write_settings`] has the rest.
fn configure(data: &Path, user: Option<&OsUser>) -> Result<()> {
    let main = data.join("postgresql.conf");
    let settings = fs::read_to_string(&main)?;
    fs::write(&main, format!("{settings}\n# Written by `cargo realtime`.\ninclude 'realtime.conf'\n"))?;
    let access = data.join("pg_hba.conf");
    fs::write(
        &access,
        "# Written by `cargo realtime`.\n\
         # TYPE  DATABASE     USER      ADDRESS       METHOD\n\
         host    all          postgres  127.0.0.1/32  reject\n\
         host    all          all       127.0.0.1/32  scram-sha-256\n\
         host    replication  realtime  127.0.0.1/32  scram-sha-256\n",
    )?;
    for file in [main, access] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        if let Some(user) = user {
            user.own(&file)?;
        }
    }
    Ok(())
}

fn write_settings(cluster: &Cluster, user: Option<&OsUser>) -> Result<()> {
    let file = cluster.data().join("realtime.conf");
    let settings = format!(
        "# Written by `cargo realtime up` at every start; your own settings go into postgresql.conf.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {}\n\
         unix_socket_directories = ''\n\
         wal_level = logical\n\
         max_connections = 200\n\
         password_encryption = 'scram-sha-256'\n",
        cluster.port
    );
    fs::write(&file, settings).with_context(|| format!("Cannot write {}", file.display()))?;
    user.map_or(Ok(()), |user| user.own(&file))
}

/// Makes the role that owns every database, or gives it the password we know.
async fn set_role(binaries: &Binaries, cluster: &Cluster, user: Option<&OsUser>) -> Result<()> {
    write_settings(cluster, user)?;
    // In single-user mode a line is a command.
    let sql = format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'realtime') THEN CREATE ROLE realtime; END IF; \
         END $$;\n\
         ALTER ROLE realtime LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD '{}';\n",
        cluster.password
    );
    let mut single = binaries.command("postgres");
    single.arg("--single").arg("-D").arg(cluster.data()).arg("postgres");
    let said = run(single, user, &sql).await.context("Postgres could not make the role `realtime`")?;
    if said.contains("ERROR:") {
        bail!("Postgres could not make the role `realtime`.\n{}", said.replace(&cluster.password, "…"));
    }
    Ok(())
}

async fn start(stack: &mut Stack, user: Option<&OsUser>) -> Result<()> {
    let binaries = stack.binaries.clone().context("Postgres' programs have not been looked for")?;
    let step = stack.progress.step("Starting Postgres");
    let mut tried = Vec::new();
    loop {
        let mut cluster = stack.state.cluster()?.clone();
        if tried.contains(&cluster.port) || !port::is_free(cluster.port) {
            tried.push(cluster.port);
            cluster.port = port::choose(&stack.home, port::POSTGRES, &tried)?;
            stack.state.postgres = Some(cluster.clone());
            stack.save()?;
        }
        write_settings(&cluster, user)?;
        let mut pg_ctl = binaries.command("pg_ctl");
        pg_ctl.arg("start").arg("--wait").arg("-t").arg(START_PATIENCE.as_secs().to_string());
        pg_ctl.arg("-D").arg(cluster.data()).arg("-l").arg(cluster.log());
        match run(pg_ctl, user, "").await {
            Ok(_) => {
                wait_until_ready(&cluster).await?;
                step.done(format!("Postgres {} runs on port {}", binaries.major, cluster.port));
                return Ok(());
            }
            // Somebody took the port between our look and the start.
            Err(_) if !port::is_free(cluster.port) && tried.len() < PORT_ATTEMPTS => {
                tried.push(cluster.port);
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "Postgres does not start. Its log: {}\n{}",
                        cluster.log().display(),
                        tail(&cluster.log())
                    )
                });
            }
        }
    }
}

/// Waits until the role `realtime` can connect.
async fn wait_until_ready(cluster: &Cluster) -> Result<()> {
    let started = Instant::now();
    loop {
        let error = match PgConnection::connect(&cluster.url("postgres")).await {
            Ok(connection) => return Ok(connection.close().await?),
            Err(error) => error,
        };
        if started.elapsed() > START_PATIENCE || pid(cluster).is_none() {
            return Err(error).with_context(|| {
                format!(
                    "Postgres runs but lets nobody in on port {}. Its log: {}\nTry `cargo realtime down` and `cargo realtime \
                     up`.",
                    cluster.port,
                    cluster.log().display()
                )
            });
        }
        tokio::time::sleep(process::POLL).await;
    }
}

/// Runs one of Postgres' programs as the user Postgres runs as; gives what it said, to either output.
async fn run(mut command: Command, user: Option<&OsUser>, input: &str) -> Result<String> {
    if let Some(user) = user {
        user.run(&mut command);
    }
    // The folder we stand in may be closed to that user. Messages are searched for words, so they are in English.
    command.current_dir("/").env("LC_MESSAGES", "C").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("Cannot run {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    let said = said.join("\n").trim().to_owned();
    if !output.status.success() {
        bail!("{program} failed ({}).\n{said}", output.status);
    }
    Ok(said)
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
