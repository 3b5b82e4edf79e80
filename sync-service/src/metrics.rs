//! What is counted. Names and units are those of the official service.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sqlx::PgPool;
use tokio::sync::watch;

/// The counters, which whoever counts adds to.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Streams that are open.
    pub connections: Gauge,
    /// Operations that were sent to clients.
    pub operations_synced: Counter,
    /// Bytes of streams.
    pub data_sent: Counter,
    /// Operations that the sequencer appended to the oplog.
    pub rows_replicated: Counter,
    /// Commits of the sequencer.
    pub transactions_replicated: Counter,
    drained: watch::Sender<Instant>,
}

impl Metrics {
    pub fn new() -> Self {
        Self {
            connections: Gauge::default(),
            operations_synced: Counter::default(),
            data_sent: Counter::default(),
            rows_replicated: Counter::default(),
            transactions_replicated: Counter::default(),
            drained: watch::Sender::new(Instant::now()),
        }
    }

    /// The sequencer has taken all that was in the queue.
    pub fn drained(&self) {
        self.drained.send_replace(Instant::now());
    }

    /// How long the queue has been waiting for the sequencer: nothing when it is empty, else the time since its last turn.
    pub async fn queue_lag(&self, pool: &PgPool) -> sqlx::Result<Duration> {
        let waits: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM sync_service.queue)").fetch_one(pool).await?;
        Ok(if waits { self.drained.borrow().elapsed() } else { Duration::ZERO })
    }

    /// All of it in the text format of OpenMetrics, which Prometheus reads.
    pub async fn text(&self, pool: &PgPool, replication_lag: Duration) -> sqlx::Result<String> {
        let mut registry = Registry::with_prefix("powersync");
        registry.register("concurrent_connections", "Open sync streams", self.connections.clone());
        registry.register("operations_synced", "Operations sent to clients", self.operations_synced.clone());
        registry.register("data_sent_bytes", "Bytes sent on sync streams", self.data_sent.clone());
        registry.register(
            "rows_replicated",
            "Operations appended to the oplog",
            self.rows_replicated.clone(),
        );
        registry.register(
            "transactions_replicated",
            "Commits of the sequencer",
            self.transactions_replicated.clone(),
        );
        let lag = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        lag.set(replication_lag.as_secs_f64());
        registry.register(
            "replication_lag_seconds",
            "How long changes have been waiting for the sequencer",
            lag,
        );
        for (name, help, table) in [
            ("operation_storage_size_bytes", "Size of the oplog", "sync_service.oplog"),
            ("parameter_storage_size_bytes", "Size of the lookups' results", "sync_service.lookup_row"),
            (
                "replication_storage_size_bytes",
                "Size of what is known of the rows",
                "sync_service.row_bucket",
            ),
        ] {
            let size = Gauge::<i64>::default();
            let bytes = sqlx::query_scalar("SELECT pg_total_relation_size($1::text::regclass)").bind(table);
            size.set(bytes.fetch_one(pool).await?);
            registry.register(name, help, size);
        }
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        Ok(text)
    }
}
