//! First syncs into the client core, as against the same lines given to it out of memory.

use serde_json::json;

use crate::core_client::{Backend, Core, lists_and_todos};
use crate::process::Served;
use crate::report::{Report, median};
use crate::support::{Database, TABLES};

pub async fn run(report: &mut Report) {
    for (rows, times) in [(1_000, 15), (10_000, 7), (100_000, 3)] {
        let database = Database::new(TABLES).await;
        database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
        database
            .run(&format!(
                "INSERT INTO todos SELECT gen_random_uuid(), 'l1', 'A todo of ordinary length, number ' || i, i % 3 = 0
                 FROM generate_series(1, {rows}) i; ANALYZE"
            ))
            .await;
        let served = Served::start_deployed(&database).await;
        let core = Core::start(Backend::of(&database)).await;
        let (mut from_service, mut from_memory, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for time in 0..=times {
            let options = json!({ "user": "ann", "endpoint": served.url, "schema": lists_and_todos() });
            let client = core.open(&format!("c{time}"), options.clone()).await;
            let details =
                json!({ "floor": format!("floor{time}"), "options": options, "timeout_ms": 120_000 });
            let times = client.ask("time_first_sync", details).await;
            assert_eq!(times["ops"], rows + 1);
            client.ask("close", json!({ "forget": true })).await;
            // The first time warms everything up.
            if time > 0 {
                let ms = |key: &str| times[key].as_f64().unwrap();
                from_service.push(ms("from_service"));
                from_memory.push(ms("from_memory"));
                ratios.push(ms("from_service") / ms("from_memory"));
            }
        }
        report.figure(&format!("first sync of {rows} rows"), median(&mut from_service), "ms", None);
        report.figure(
            &format!("the same lines out of memory, {rows} rows"),
            median(&mut from_memory),
            "ms",
            None,
        );
        report.figure(&format!("ratio, {rows} rows"), median(&mut ratios), "times", Some(1.25));
        served.stop().await;
        database.drop().await;
    }
}
