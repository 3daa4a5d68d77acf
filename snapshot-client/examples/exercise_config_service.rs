//! An app's service over the provider, with the flag off and on.
//!
//! ```text
//! cargo run --example exercise_config_service json-source
//! USE_BACKEND_REFERENCE=true cargo run --example exercise_config_service json-source http://127.0.0.1:8080
//! ```

#![allow(clippy::print_stdout, reason = "an example prints what it found")]
#![allow(unreachable_pub, missing_docs, reason = "a program has no callers")]

#[allow(dead_code, reason = "an app calls what this example leaves out")]
#[path = "exercise_config_service/service.rs"]
mod service;

use snapshot_client::{
    Bundled, Error, ReferenceConfig, RemoteConfig, SourceFolder, create_reference_provider,
};

use service::ExerciseConfigService;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "json-source".to_owned());
    let base_url = arguments
        .next()
        .unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());

    let source = SourceFolder::new(folder).map("equipmentIcons", &["id", "equipment_id"], "value");
    let bundled = Bundled::from_source(&source)?;
    let flag = || {
        std::env::var("USE_BACKEND_REFERENCE")
            .is_ok_and(|value| value == "true")
            .into()
    };
    let remote = RemoteConfig::new(base_url).cached_in(".tablecast/client");
    let provider = create_reference_provider(ReferenceConfig::new(flag, bundled, remote))?;
    let ready = provider.wait_for_ready(None);

    let service = ExerciseConfigService::new(provider);
    println!("{}:", ready.as_str());
    for muscle in service.primary_muscles()? {
        let below = service.muscles_below(&muscle.id)?;
        println!("{} ({} below)", muscle.label, below.len());
    }
    Ok(())
}
