//! Clients that take all they can get, and somebody who goes on working meanwhile.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use reqwest::{Client, StatusCode, header};
use sqlx::{ConnectOptions, PgPool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::helpers::{Browser, POWERSYNC_URL, TestApp, TestDatabase, signing_key};

/// A server in a process of its own, so that its memory can be measured.
struct Server {
    process: Child,
    app: TestApp,
}

impl Server {
    async fn start() -> Server {
        let database = TestDatabase::create().await;
        let site = tempfile::tempdir().unwrap();
        std::fs::create_dir(site.path().join("pkg")).unwrap();
        let url = database.options.to_url_lossy().to_string();
        let key = BASE64_STANDARD.encode(signing_key().to_pkcs8_der().unwrap().as_bytes());
        let mut process = Command::new(env!("CARGO_BIN_EXE_server"))
            .current_dir(site.path())
            .envs([("VITE_POWERSYNC_URL", POWERSYNC_URL), ("POWERSYNC_URL", POWERSYNC_URL)])
            .envs([
                ("VITE_POWERSYNC_TOKEN_ENDPOINT", "/api/powersync/token"),
                ("POWERSYNC_API_TOKEN", "token"),
            ])
            .envs([
                ("VITE_DATABASE_URL", &url),
                ("DIRECT_DATABASE_URL", &url),
                ("POWERSYNC_SIGNING_KEY", &key),
            ])
            .envs([("LEPTOS_OUTPUT_NAME", "app"), ("LEPTOS_SITE_ADDR", "127.0.0.1:0"), ("RUST_LOG", "info")])
            .env("LEPTOS_SITE_ROOT", site.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server has ended");
            if let Some((_, address)) = line.trim_end().split_once("serving http://") {
                break address.to_owned();
            }
        };
        // What else it says is read, so that it is not held up, and shown where the test fails.
        std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| println!("{line}")));
        let pool = PgPool::connect_lazy_with(database.options.clone());
        let app = TestApp::at(format!("http://{address}"), pool, database.into(), site);
        Server { process, app }
    }

    /// The most memory that it has ever had, in bytes; `None` where the system does not tell.
    fn peak_memory(&self) -> Option<u64> {
        let status =
            std::fs::read_to_string(Path::new("/proc").join(self.process.id().to_string()).join("status"))
                .ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_all_they_can_get_holds_up_nobody() {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let server = Server::start().await;
    let app = &server.app;
    let mut user = app.browser().await;
    let list = [user.put_list("l", "Mine")];
    user.upload(&[&list]).await;

    let mut attackers = JoinSet::new();
    // So much, again and again: once as one transaction that is too large, once as one that is as large as may be.
    let (too_many, many) = (tiny_changes(100_000), tiny_changes(10_000));
    for _ in 0..12 {
        let attacker = app.newcomer().await;
        let (too_many, many) = (too_many.clone(), many.clone());
        attackers.spawn(async move {
            loop {
                for changes in [&too_many, &many] {
                    send(&attacker, changes).await;
                }
            }
        });
    }
    let nested = nested_arrays();
    for _ in 0..4 {
        let (attacker, nested) = (app.newcomer().await, nested.clone());
        attackers.spawn(async move {
            loop {
                futures::future::join_all((0..4).map(|_| send(&attacker, &nested))).await;
            }
        });
    }
    let address = app.url.strip_prefix("http://").unwrap().to_owned();
    let half_open: JoinSet<_> = (0..3000).map(|number| half_open(address.clone(), number)).collect();

    // On a thread of its own, because attackers keep those of this test busy.
    let took = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(goes_on_working(&mut user))
    });
    let took = tokio::task::spawn_blocking(|| took.join()).await.unwrap().unwrap();
    println!("the slowest uploads took {:?}; peak memory {:?} bytes", &took[90..], server.peak_memory());
    // A disk or a virtual machine may stand still for a second, with attackers or without. Where attackers hold somebody
    // up, they do so all the time.
    assert!(
        took[94] < Duration::from_secs(1),
        "more than five of a hundred uploads took a second: {:?}",
        &took[90..]
    );
    assert_eq!(app.rows("SELECT count(*) FROM todos WHERE list_id = 'l'").await, "100");
    if let Some(memory) = server.peak_memory() {
        assert!(memory < 256 * 1024 * 1024, "{memory} bytes");
    }
    attackers.shutdown().await;
    // Each of them has been closed by the server by now, or will be.
    let closed = half_open.join_all().await;
    let open = closed.iter().filter(|closed| !**closed).count();
    assert_eq!(open, 0, "connections that said half of what they had to say are open after a minute");
}

/// A hundred small uploads, one after the other; how long they took, the slowest last.
async fn goes_on_working(user: &mut Browser) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..100 {
        let todo = [user.put_todo(&format!("t{number}"), "l", "To do")];
        let request = user.request(&[&todo]);
        let began = Instant::now();
        let answer = user.post(&request).await;
        took.push(began.elapsed());
        assert_eq!(answer.status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    took.sort();
    took
}

/// Sends changes as one transaction that has not been sent before. What the answer is, and whether there is one, is none of
/// an attacker's business.
async fn send(attacker: &Browser, changes: &str) {
    let (client, user) = (uuid::Uuid::new_v4(), &attacker.user_id);
    let body = format!(
        r#"{{"client_id":"{client}","user_id":"{user}","transactions":[{{"changes":[{changes}]}}]}}"#
    );
    let upload =
        Client::new().post(format!("{}/api/sync", attacker.url)).header(header::COOKIE, &attacker.cookie);
    let upload = upload.header(header::CONTENT_TYPE, "application/json").body(body);
    if let Ok(answer) = upload.send().await {
        let _ = answer.bytes().await;
    }
}

/// So many changes, none of which makes a row.
fn tiny_changes(count: usize) -> Arc<str> {
    let change = |op_id| format!(r#"{{"op_id":{op_id},"op":"DELETE","type":"todos","id":"x"}}"#);
    (1..=count).map(change).collect::<Vec<_>>().join(",").into()
}

/// Eight megabytes of a value that is all brackets.
fn nested_arrays() -> Arc<str> {
    let arrays = vec!["[[],[]]"; 1024 * 1024].join(",");
    format!(r#"{{"op_id":1,"op":"PUT","type":"todos","id":"x","data":{{"title":[{arrays}]}}}}"#).into()
}

/// A connection that says half of what it has to say; whether the server has ended it.
async fn half_open(address: String, number: usize) -> bool {
    let Ok(mut socket) = TcpStream::connect(address).await else { return true };
    // At least a letter: of a connection on which nothing comes, a kernel with a full queue may tell the server nothing.
    let said: &[u8] = if number.is_multiple_of(2) { b"GET / HTTP/1.1\r\nhost: " } else { b"G" };
    let _ = socket.write_all(said).await;
    let ended = async {
        let mut buffer = [0; 1024];
        while let Ok(1..) = socket.read(&mut buffer).await {}
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.is_ok()
}
