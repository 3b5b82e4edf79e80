//! The MCP server, as a client sees it: the real program on stdio, with the client of the same SDK.

use rmcp::model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::machine::{Machine, runs};

/// A client that keeps what it is told about progress.
struct Client {
    progress: UnboundedSender<String>,
}

impl ClientHandler for Client {
    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.progress.send(progress.message.unwrap()).unwrap();
    }
}

/// A client with a server of its own.
pub struct Assistant {
    service: RunningService<RoleClient, Client>,
    progress: UnboundedReceiver<String>,
}

impl Assistant {
    /// Starts the server beside the machine's app.
    pub async fn start(machine: &Machine) -> Self {
        let mut server = machine.command(&["mcp"]);
        server.current_dir(machine.elsewhere());
        let (sender, progress) = unbounded_channel();
        let transport = TokioChildProcess::new(tokio::process::Command::from(server)).unwrap();
        let service = Client { progress: sender }.serve(transport).await.unwrap();
        Self { service, progress }
    }

    /// Calls a tool, and expects it to work; gives its structured result.
    pub async fn call(&self, tool: &'static str, arguments: Value) -> Value {
        let result = self.result(tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
        result.structured_content.unwrap()
    }

    /// Calls a tool, and expects it to fail; gives what a model would read.
    pub async fn error(&self, tool: &'static str, arguments: Value) -> String {
        let result = self.result(tool, arguments).await;
        assert_eq!(result.is_error, Some(true), "{tool}: {result:?}");
        result.content[0].as_text().unwrap().text.clone()
    }

    async fn result(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let arguments = arguments.as_object().unwrap().clone();
        self.service.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap()
    }

    /// Closes the connection, which ends the server.
    pub async fn leave(self) {
        self.service.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn there_are_four_tools_with_the_arguments_that_people_were_told() {
    let machine = Machine::new();
    let assistant = Assistant::start(&machine).await;
    let server = assistant.service.peer_info().unwrap().server_info.clone().unwrap();
    assert_eq!(
        (server.name.as_str(), server.version.as_str()),
        ("cargo-realtime", env!("CARGO_PKG_VERSION"))
    );
    let mut tools = assistant.service.list_all_tools().await.unwrap();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    insta::assert_snapshot!("mcp_tools", serde_json::to_string_pretty(&tools).unwrap());
    assistant.leave().await;
}

#[tokio::test]
async fn an_assistant_makes_an_app_with_four_calls() {
    let machine = Machine::new();
    let mut assistant = Assistant::start(&machine).await;
    let database = assistant.call("create_database", json!({ "name": "notes" })).await;
    assert_eq!(database, json!({ "databaseId": "notes", "provider": "local", "created": true }));
    let sync = assistant.call("database_sync_enable", json!({ "databaseId": "notes" })).await;
    assert_eq!(sync["provider"], "local");
    let app = assistant.call("create_app", json!({ "name": "my-notes", "template": "realtime" })).await;
    assert_eq!(app["appId"], "my-notes");
    let connected = assistant
        .call("connect_app_to_database", json!({ "appId": "my-notes", "databaseId": "notes" }))
        .await;
    let root = machine.elsewhere().canonicalize().unwrap().join("my-notes");
    assert_eq!(connected["path"], json!(root));
    assert_eq!(connected["changed"], true);
    let env = std::fs::read_to_string(root.join(".env")).unwrap();
    assert!(
        env.contains(&format!("VITE_POWERSYNC_URL={}\n", sync["powersyncUrl"].as_str().unwrap())),
        "{env}"
    );

    // Once more: nothing changes, and the same ids come back.
    let again = assistant.call("create_database", json!({ "name": "notes" })).await;
    assert_eq!(again, json!({ "databaseId": "notes", "provider": "local", "created": false }));
    assert_eq!(assistant.call("database_sync_enable", json!({ "databaseId": "notes" })).await, sync);
    let again = json!({ "appId": "my-notes", "databaseId": "notes" });
    assert_eq!(assistant.call("connect_app_to_database", again).await["changed"], false);

    let mut told = Vec::new();
    while let Ok(message) = assistant.progress.try_recv() {
        told.push(message);
    }
    assert!(told.iter().any(|message| message.starts_with("Starting Postgres")), "{told:?}");

    assistant.leave().await;
    let status = machine.json(&["status"]);
    assert!(runs(&status["postgres"]["pid"]) && runs(&status["databases"][0]["sync"]["pid"]));
}

#[tokio::test]
async fn errors_are_for_a_model_to_act_on() {
    let machine = Machine::new();
    let assistant = Assistant::start(&machine).await;
    let error = async |tool, arguments| machine.neutral(&assistant.error(tool, arguments).await);
    insta::assert_snapshot!(error("database_sync_enable", json!({ "databaseId": "shop" })).await, @r#"There is no database with the id "shop". There is none yet: make one with create_database."#);
    insta::assert_snapshot!(error("create_database", json!({ "name": "My DB" })).await, @r#""My DB" cannot name a database. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "my-db"."#);
    insta::assert_snapshot!(error("create_app", json!({ "name": "shop", "template": "realtime" })).await, @"/machine/shop is there already. Choose another name, or move it away.");
    insta::assert_snapshot!(error("create_app", json!({ "name": "x", "template": "vue" })).await, @r#"There is no template "vue". There is one: "realtime"."#);
    insta::assert_snapshot!(error("connect_app_to_database", json!({ "appId": "x", "databaseId": "y" })).await, @r#"There is no database with the id "y". There is none yet: make one with create_database."#);
    insta::assert_snapshot!(error("create_database", json!({ "databaseName": "x" })).await, @"failed to deserialize parameters: unknown field `databaseName`, expected `name`");
    insta::assert_snapshot!(error("create_database", json!({ "name": 1 })).await, @"failed to deserialize parameters: invalid type: integer `1`, expected a string");
    assistant.leave().await;
}
