//! The two machines of an app on Fly: the PowerSync Service, and once a day its `compact`.

use serde_json::{Value, json};

use super::config::PORT;

/// The image, pinned: `latest` is for development only. This is the version that the tests of this project were written
/// against.
const IMAGE: &str = "journeyapps/powersync-service:1.25.0";

/// The name of the secret that holds the service's configuration in base64, as Fly wants a file. The service reads some
/// variables by itself, `POWERSYNC_CONFIG_B64` for one; this is none of them.
pub const CONFIG_SECRET: &str = "PS_CONFIG_FILE";
const CONFIG_PATH: &str = "/config/powersync.json";

/// The machine that serves and replicates: exactly one, because two would fight for the replication slot.
pub fn service() -> Value {
    let mut config = machine(&["start", "-r", "unified"]);
    // It ends when Postgres goes away, so it is started again whenever it has ended.
    config["restart"] = json!({ "policy": "always" });
    config["services"] = json!([{
        "protocol": "tcp",
        "internal_port": PORT,
        // Replication goes on without anybody connected.
        "autostop": "off",
        "autostart": true,
        "min_machines_running": 1,
        // Every browser holds one request open; the service takes up to 200.
        "concurrency": { "type": "requests", "soft_limit": 150, "hard_limit": 200 },
        "ports": [
            { "port": 443, "handlers": ["tls", "http"] },
            { "port": 80, "handlers": ["http"], "force_https": true },
        ],
        "checks": [{
            "type": "http",
            "method": "GET",
            "path": "/probes/liveness",
            "port": PORT,
            "interval": "15s",
            "timeout": "5s",
            "grace_period": "30s",
        }],
    }]);
    config
}

/// The machine that makes the history of all buckets shorter once a day, so that new browsers need not download all of
/// it. It replicates nothing, and stops when it is done.
pub fn compact() -> Value {
    let mut config = machine(&["compact"]);
    config["schedule"] = "daily".into();
    config["restart"] = json!({ "policy": "on-failure", "max_retries": 2 });
    config
}

fn machine(command: &[&str]) -> Value {
    json!({
        "image": IMAGE,
        "init": { "cmd": command },
        "env": {
            "POWERSYNC_CONFIG_PATH": CONFIG_PATH,
            "NODE_OPTIONS": "--max-old-space-size-percentage=80",
        },
        "files": [{ "guest_path": CONFIG_PATH, "secret_name": CONFIG_SECRET }],
        "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": 1024 },
    })
}
