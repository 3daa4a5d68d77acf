//! Follows a certificate's files while the server runs.

use std::sync::Arc;
use std::time::Duration;

use crate::event::{Event, explain};
use crate::shared::Shared;
use crate::socket::tls::Tls;

/// How often the files are compared. Renewal happens weeks before a certificate ends.
const INTERVAL: Duration = Duration::from_secs(10);

/// Follows the files, for ever. A pair that is half written is not taken: the
/// certificate before it stays in use.
pub(crate) async fn watch(tls: Arc<Tls>, shared: Arc<Shared>) {
    let mut asked = shared.look.subscribe();
    let mut refusal = None;
    loop {
        let _ = tokio::time::timeout(INTERVAL, asked.changed()).await;
        let reloaded = tls.clone();
        let reloaded = tokio::task::spawn_blocking(move || reloaded.reload()).await;
        match reloaded {
            Ok(Ok(true)) => {
                refusal = None;
                shared.observe(&Event::CertificateSwapped);
            }
            Ok(Err(error)) if refusal != Some(explain(&error)) => {
                refusal = Some(explain(&error));
                shared.observe(&Event::CertificateRefused(error));
            }
            _ => {}
        }
    }
}
