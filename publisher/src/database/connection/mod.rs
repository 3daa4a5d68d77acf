//! A connection: tried again while its server may be starting, and given up when the server
//! owes an answer that does not come.
//!
//! A server's own `statement_timeout` is of no use where the way to it is broken, and a limit
//! of ours on a statement would cut long ones that are well. So it is silence that counts:
//! where an answer is owed and nothing has come for a while, another connection asks whether
//! the server still works for us. Only if it does, we go on waiting.

mod dial;
mod pooler;
mod tls;
mod url;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::answer::PgError;
use super::error::DatabaseError;
use crate::config::Config;
use dial::{Refusal, Session, cancel, dial};
use wire::Pulse;

const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// How patient we are with a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long a connection may take, attempts at a server that is starting included.
    pub(super) connect: Duration,
    /// How long a server that owes an answer may be silent before it is asked for.
    pub(super) silence: Duration,
}

impl Patience {
    /// As the settings have it.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            connect: config.connect_timeout,
            silence: config.silence_timeout,
        }
    }
}

/// Where a server is, and how it is reached.
#[derive(Clone)]
pub(super) struct Destination {
    driver: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    /// For people; without a password.
    pub(super) target: String,
    patience: Patience,
}

impl Destination {
    pub(super) fn of_url(url: &str, patience: Patience) -> Result<Self, DatabaseError> {
        let options = url::parse(url)?;
        Ok(Self {
            target: describe(&options.driver),
            tls: options.tls.as_ref().map(tls::connector).transpose()?,
            driver: options.driver,
            patience,
        })
    }

    pub(super) fn new(driver: tokio_postgres::Config, target: String, patience: Patience) -> Self {
        Self {
            driver,
            tls: None,
            target,
            patience,
        }
    }

    pub(super) fn called(mut self, application: &str) -> Self {
        self.driver.application_name(application);
        self
    }

    /// Connects. `waiting` is told once, should the server seem to be starting.
    pub(super) async fn connect(
        &self,
        waiting: impl Fn(&str),
    ) -> Result<(Client, JoinHandle<()>), DatabaseError> {
        let deadline = Instant::now() + self.patience.connect;
        let mut told = false;
        let session = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.attempt(left.max(Duration::from_millis(1))).await {
                Ok(session) => break session,
                Err(refusal) if refusal.may_pass && Instant::now() + RETRY_INTERVAL < deadline => {
                    if !told {
                        waiting(&format!(
                            "waiting for {}, for {} at the most: {}\n",
                            self.target,
                            seconds(self.patience.connect),
                            refusal.source
                        ));
                        told = true;
                    }
                    sleep(RETRY_INTERVAL).await;
                }
                Err(refusal) => {
                    return Err(DatabaseError::Connect {
                        target: self.target.clone(),
                        source: refusal.source,
                    });
                }
            }
        };
        self.watched(session).await
    }

    /// Asks the server to cancel what the token's session runs.
    pub(super) async fn cancel(&self, token: &CancelToken) {
        cancel(&self.driver, self.tls.as_ref(), token).await;
    }

    async fn attempt(&self, within: Duration) -> Result<Session, Refusal> {
        dial(&self.driver, self.tls.as_ref(), within).await
    }

    async fn watched(&self, session: Session) -> Result<(Client, JoinHandle<()>), DatabaseError> {
        let Session {
            client,
            connection,
            pulse,
        } = session;
        let watch = watch(self.clone(), Arc::clone(&pulse));
        let task = tokio::spawn(async move {
            tokio::select! {
                // Whoever waits for an answer is told the connection's error; here it would
                // be said twice.
                _ = connection => {}
                () = watch => {}
            }
        });
        let failed = |source| DatabaseError::Connect {
            target: self.target.clone(),
            source,
        };
        let pid = ask(&client, "SELECT pg_catalog.pg_backend_pid()").await;
        let pid = pid.map_err(|error| failed(error.into()))?;
        if pulse.key().map(|key| key.to_string()).as_deref() != Some(&pid) {
            pooler::refuse_unless_session(self, &client, &pid).await?;
        }
        if self.driver.get_target_session_attrs() != TargetSessionAttrs::Any {
            let read_only = ask(&client, "SHOW transaction_read_only").await;
            let is_read_only = read_only.map_err(|error| failed(error.into()))? == "on";
            let wanted = self.driver.get_target_session_attrs() == TargetSessionAttrs::ReadOnly;
            if is_read_only != wanted {
                return Err(failed(PgError::said(
                    "the server is not what target_session_attrs asks for",
                )));
            }
        }
        pulse.is_of(&pid);
        Ok((client, task))
    }
}

/// The first value of a query, by the protocol that prepares nothing.
async fn ask(client: &Client, query: &str) -> Result<String, tokio_postgres::Error> {
    let messages = client.simple_query(query).await?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

// Gives the connection up when it is broken; ends with the connection.
async fn watch(destination: Destination, pulse: Arc<Pulse>) {
    let silence = destination.patience.silence;
    let mut since_probe = Instant::now();
    loop {
        let silent = pulse.silent_for().unwrap_or_default();
        let waited = silent.min(since_probe.elapsed());
        if waited < silence {
            sleep(silence - waited).await;
            continue;
        }
        if let Err(why) = probe(&destination, &pulse).await
            && pulse.silent_for().is_some_and(|silent| silent >= silence)
        {
            pulse.give_up(format!(
                "{} owes an answer and has said nothing for {}; {why}",
                destination.target,
                seconds(silent)
            ));
            return std::future::pending().await;
        }
        since_probe = Instant::now();
    }
}

// Whether the server still works for us, by another connection.
async fn probe(destination: &Destination, pulse: &Pulse) -> Result<(), String> {
    let within = destination.patience.connect;
    let asked = async {
        let session = destination.attempt(within).await;
        let Session {
            client, connection, ..
        } = session.map_err(|refusal| format!("another connection: {}", refusal.source))?;
        let drives = tokio::spawn(connection);
        let verdict = judge(&client, pulse).await;
        drives.abort();
        verdict
    };
    timeout(within, asked)
        .await
        .unwrap_or_else(|_| Err("another connection is not answered either".to_owned()))
}

async fn judge(client: &Client, pulse: &Pulse) -> Result<(), String> {
    // Before the session is known, it is about to be.
    let Some(pid) = pulse.pid() else {
        return Err("it has not let us in".to_owned());
    };
    // A session that waits for us, while we wait for it, is one whose words do not arrive.
    let query = format!(
        "SELECT CASE WHEN state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
                THEN 'works' ELSE coalesce(state, 'unknown') END
         FROM pg_catalog.pg_stat_activity WHERE pid = {pid}"
    );
    let failed = |error| format!("another connection: {}", PgError::from(error));
    let state = ask(client, &query).await.map_err(failed)?;
    if state == "works" {
        return Ok(());
    }
    // What it holds is given back, where it is still there.
    let end = format!("SELECT pg_catalog.pg_terminate_backend({pid})");
    if state.is_empty() {
        return Err("it knows our session no more".to_owned());
    }
    // An answer may have been on its way.
    sleep(Duration::from_millis(500)).await;
    if pulse
        .silent_for()
        .is_none_or(|silent| silent < Duration::from_millis(500))
    {
        return Ok(());
    }
    let _ = ask(client, &end).await;
    Err(format!(
        "it has answered, and its answer has not arrived (our session was {state})"
    ))
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64().round().max(1.0))
}

fn describe(options: &tokio_postgres::Config) -> String {
    let ports = options.get_ports();
    let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
    let hosts = options.get_hosts().iter().enumerate();
    let mut hosts: Vec<String> = hosts
        .map(|(index, host)| match host {
            tokio_postgres::config::Host::Tcp(name) => format!("{name}:{}", port(index)),
            tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    if hosts.is_empty() {
        let addresses = options.get_hostaddrs().iter().enumerate();
        hosts = addresses
            .map(|(index, address)| format!("{address}:{}", port(index)))
            .collect();
    }
    format!(
        "{} on {}",
        options.get_dbname().unwrap_or("the database"),
        hosts.join(", ")
    )
}
