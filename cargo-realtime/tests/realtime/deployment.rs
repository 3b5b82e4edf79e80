//! What the deployment files agree on with each other and with the PowerSync Service.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::fake::contract::{faults, full};

#[test]
fn the_service_of_compose_is_configured_as_it_wants_to_be() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let yaml = fs::read_to_string(root.join("powersync.yaml")).unwrap();
    let compose = fs::read_to_string(root.join("compose.yaml")).unwrap();
    let variables: Vec<_> =
        yaml.split("!env PS_").skip(1).map(|rest| rest.split_whitespace().next().unwrap()).collect();
    assert!(!variables.is_empty());
    for name in variables {
        assert!(compose.contains(&format!("      PS_{name}: ")), "compose.yaml does not set PS_{name}");
    }
    let config: Value = serde_saphyr::from_str(&yaml.replace("!env ", "")).unwrap();
    assert_eq!(config["sync_config"], Value::Null, "the service would refuse the app's own");
    if let Some(schema) = full("powersync-config.schema.json") {
        assert_eq!(faults(&schema, &config), Vec::<String>::new());
    }
}
