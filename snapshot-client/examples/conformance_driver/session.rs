//! One driver's clients, and what the kit asks of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use snapshot_client::{
    Bundled, Cancel, Error, Event, Flag, HttpTransport, ProviderKind, ReferenceConfig,
    ReferenceDataProvider, RefreshResult, RemoteProvider, Request, Response, Snapshot, Status,
    Switch, Transport, create_reference_provider,
};

use crate::device::Device;
use crate::given::{as_of, bundled_of, client_of, config_of, ms_of, read_options, text_of};
use crate::send;
use crate::virtual_time::World;

pub struct Session {
    world: World,
    device: Device,
    clients: BTreeMap<String, Client>,
}

struct Client {
    provider: Arc<dyn ReferenceDataProvider>,
    switch: Switch,
    number: usize,
    dead: Arc<AtomicBool>,
    cancels: BTreeMap<String, Cancel>,
    // The events whose listener panics.
    throws: Arc<Mutex<Vec<String>>>,
    looked: Option<Arc<Snapshot>>,
}

struct Counted {
    inner: HttpTransport,
    world: World,
}

type Reply = Result<Value, String>;

const THROWS: &str = "throws";

impl Session {
    pub fn new(device: Device) -> Self {
        Self {
            world: World::new(),
            device,
            clients: BTreeMap::new(),
        }
    }

    pub fn close(&mut self) {
        for (_, client) in std::mem::take(&mut self.clients) {
            client.kill();
        }
    }

    /// Performs one command; what is to be replied, or why it failed.
    pub fn perform(&mut self, command: &Value, line: &str) -> Reply {
        let name = command["do"].as_str().unwrap_or_default();
        match name {
            "hello" => return Ok(json!({ "capabilities": ["streaming", "sockets"] })),
            "reset" => self.reset(),
            "create" => self.create(command, bundled_of(line)?)?,
            "kill" => {
                let client = self
                    .clients
                    .remove(&client_of(command))
                    .ok_or("no such client")?;
                client.kill();
            }
            "storage" => self.storage(command)?,
            "wall" => self
                .world
                .move_wall(command["ms"].as_f64().unwrap_or(0.0) as i64),
            "random" => self
                .world
                .set_random(command["value"].as_f64().unwrap_or(0.5)),
            "advance" => {
                let passed = self.world.advance(ms_of(command, "ms"));
                return Ok(json!({ "ms": passed.as_secs_f64() * 1000.0 }));
            }
            "sleep" => self.world.sleep(ms_of(command, "ms")),
            "settle" => {
                let requests = self.world.settle()?;
                self.bury();
                return Ok(json!({ "sent": requests.sent, "inFlight": requests.in_flight }));
            }
            "look" => return Ok(self.look(command["stored"] == true)),
            _ => self.ask(name, command)?,
        }
        Ok(json!({}))
    }

    fn reset(&mut self) {
        self.close();
        // Whoever was blocked sees that it is dead.
        self.device.order(&json!({}));
        // What an earlier scenario left behind counts for that.
        self.world = World::new();
        self.device = self.device.renewed();
    }

    fn create(&mut self, command: &Value, bundled: Option<Bundled>) -> Result<(), String> {
        let name = client_of(command);
        let dead = Arc::<AtomicBool>::default();
        let throws = Arc::<Mutex<Vec<String>>>::default();
        let (time, number) = self.world.client();
        let mut config = config_of(command)?;
        config.runtime = Some(time);
        config.transport = Some(Arc::new(Counted {
            inner: HttpTransport::new(&config.base_url).map_err(text_of)?,
            world: self.world.clone(),
        }));
        if command["storage"] == "device" {
            let storage = self.device.storage_for(&name, &self.world, &dead);
            config.storage = Some(Arc::new(storage));
        }
        config = config.on_event(listener(&name, &dead, &throws));
        let switch = Switch::new(command["flag"].clone());
        let provider: Arc<dyn ReferenceDataProvider> = match command.get("flag") {
            None => {
                config.bundled = bundled;
                Arc::new(RemoteProvider::new(config).map_err(text_of)?)
            }
            Some(_) => {
                let flag = FlagStore(switch.clone());
                let bundled = bundled.ok_or("a flag needs something bundled")?;
                let config = ReferenceConfig::new(flag, bundled, config);
                create_reference_provider(config).map_err(text_of)?
            }
        };
        let client = Client {
            provider,
            switch,
            number,
            dead,
            cancels: BTreeMap::new(),
            throws,
            looked: None,
        };
        self.clients.insert(name, client);
        Ok(())
    }

    // A client that was killed by its storage.
    fn bury(&mut self) {
        let dead = |client: &Client| client.dead.load(Ordering::SeqCst);
        let buried = self.clients.iter().filter(|(_, client)| dead(client));
        let names: Vec<_> = buried.map(|(name, _)| name.clone()).collect();
        for name in names {
            if let Some(client) = self.clients.remove(&name) {
                client.kill();
            }
        }
    }

    fn ask(&mut self, what: &str, command: &Value) -> Result<(), String> {
        let name = client_of(command);
        let world = self.world.clone();
        let client = self
            .clients
            .get_mut(&name)
            .ok_or_else(|| format!("no client \"{name}\""))?;
        let provider = Arc::clone(&client.provider);
        let is = command["is"] == true;
        match what {
            "start" => provider.start(),
            "stop" => provider.stop(),
            "dispose" => provider.dispose(),
            "active" => provider.set_active(is),
            "online" => provider.set_online(is),
            "flag" => client.switch.set(command["value"].clone()),
            // The types give nothing that could be changed.
            "mutate" => {}
            "throwAt" => {
                let event = command["event"].as_str().unwrap_or_default().to_owned();
                client.throws.lock().unwrap().push(event);
            }
            "refresh" => {
                let cancel = Cancel::new();
                client.cancels.insert(as_of(command), cancel.clone());
                let result = move || Ok(json!(refresh_result(&provider.refresh_unless(&cancel))));
                report(&world, client, &name, command, result);
            }
            "abort" => client.cancels[&as_of(command)].cancel(),
            "read" => {
                let (table, options) = (command.get("table").cloned(), read_options(command));
                let read = move || match table.as_ref().and_then(Value::as_str) {
                    Some(key) => Ok(json!(provider.table(key, options)?.rows()?.len())),
                    None => Ok(json!(provider.version(options)?.sequence)),
                };
                report(&world, client, &name, command, read);
            }
            "ready" => {
                let timeout = command
                    .get("timeoutMs")
                    .map(|_| ms_of(command, "timeoutMs"));
                let ready = move || Ok(json!(provider.wait_for_ready(timeout).as_str()));
                report(&world, client, &name, command, ready);
            }
            _ => return Err(format!("no command is called \"{what}\"")),
        }
        Ok(())
    }

    fn look(&mut self, stored: bool) -> Value {
        let mut clients = Map::new();
        for (name, client) in &mut self.clients {
            clients.insert(name.clone(), client.look(&self.world));
        }
        let mut reply = json!({ "clients": clients });
        if stored {
            reply["stored"] = self.stored();
        }
        reply
    }

    fn stored(&self) -> Value {
        let keys = self.device.keys();
        let head = keys.iter().find(|key| key.ends_with("/head"));
        let head = head
            .and_then(|key| self.device.read(key))
            .unwrap_or_default();
        let head: Value = serde_json::from_slice(&head).unwrap_or_default();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mut objects: Vec<_> = keys
            .iter()
            .filter_map(|key| key.rsplit_once('.'))
            .filter(|(_, piece)| is_number(piece))
            .map(|(object, _)| object)
            .collect();
        objects.dedup();
        json!({
            "current": head["current"]["sequence"],
            "previous": head["previous"]["sequence"],
            "objects": objects.len(),
        })
    }

    fn storage(&mut self, order: &Value) -> Result<(), String> {
        if order["wipe"] == true {
            self.device.wipe();
        } else if let Some(what) = order["damage"].as_str() {
            self.damage(what, order)
                .ok_or_else(|| format!("cannot damage \"{what}\""))?;
        } else {
            // A new order heals what was ordered before.
            self.device.order(order);
        }
        Ok(())
    }

    /// Damages `head`, `manifest` or `table:<key>` of the current generation.
    fn damage(&self, what: &str, order: &Value) -> Option<()> {
        let head = self
            .device
            .keys()
            .into_iter()
            .find(|key| key.ends_with("/head"))?;
        let prefix = head.strip_suffix("head")?.to_owned();
        let names = match what.strip_prefix("table:") {
            _ if what == "head" => vec![head],
            None => self.pieces(&prefix, &self.current_manifest(&head)?),
            Some(table) => {
                let pieces = self.pieces(&prefix, &self.current_manifest(&head)?);
                let text = pieces
                    .iter()
                    .map(|key| self.device.read(key))
                    .collect::<Option<Vec<_>>>()?;
                let text = text.concat();
                let at = text.iter().position(|byte| *byte == b'\n')? + 1;
                let manifest: Value = serde_json::from_slice(&text[at..]).ok()?;
                self.pieces(&prefix, manifest["tables"][table]["hash"].as_str()?)
            }
        };
        let how = order["how"].as_str()?;
        let key = if how == "remove-last" {
            names.last()?
        } else {
            names.first()?
        };
        let mut value = self.device.read(key)?;
        match how {
            "remove" | "remove-last" => self.device.remove(key),
            "cut" => self.device.write(key, &value[..value.len() / 2]),
            "set" => self.device.write(key, order["value"].as_str()?.as_bytes()),
            "flip" => {
                let at = value.len() / 2;
                value[at] = if value[at] == b'x' { b'y' } else { b'x' };
                self.device.write(key, &value);
            }
            _ => return None,
        }
        Some(())
    }

    fn current_manifest(&self, head: &str) -> Option<String> {
        let head: Value = serde_json::from_slice(&self.device.read(head)?).ok()?;
        Some(head["current"]["manifest"]["hash"].as_str()?.to_owned())
    }

    fn pieces(&self, prefix: &str, hash: &str) -> Vec<String> {
        let start = format!("{prefix}{hash}.");
        let keys = self.device.keys();
        keys.into_iter()
            .filter(|key| key.starts_with(&start))
            .collect()
    }
}

impl Client {
    fn kill(self) {
        self.dead.store(true, Ordering::SeqCst);
        self.provider.dispose();
    }

    fn look(&mut self, world: &World) -> Value {
        let snapshot = self.provider.snapshot();
        let status = self.provider.status();
        let polls = world.moments_of_polls(self.number);
        let next = polls.first().map(|at| at.saturating_sub(world.now()));
        let again = (self.provider.snapshot(), self.provider.status());
        let same = |a: &Option<Arc<Snapshot>>, b: &Option<Arc<Snapshot>>| {
            a.as_ref().map(Arc::as_ptr) == b.as_ref().map(Arc::as_ptr)
        };
        let mut seen = json!({
            "kind": match self.provider.kind() {
                ProviderKind::Remote => "remote",
                _ => "local",
            },
            "status": status_seen(&status),
            "timers": polls.len(),
            "nextRefreshMs": next.map(|next| next.as_millis() as u64),
            "sameSnapshot": same(&snapshot, &again.0) && Arc::ptr_eq(&status, &again.1),
        });
        if let Some(snapshot) = &snapshot {
            seen["version"] = json!(snapshot.version());
            seen["source"] = json!(snapshot.source().as_str());
            // All rows, once for each snapshot.
            if self
                .looked
                .as_ref()
                .is_none_or(|looked| !Arc::ptr_eq(looked, snapshot))
            {
                let rows = |key: &str| snapshot.table(key).unwrap().rows().unwrap().to_vec();
                let tables = snapshot
                    .table_keys()
                    .map(|key| (key.to_owned(), json!(rows(key))));
                seen["tables"] = Value::Object(tables.collect());
            }
        }
        self.looked = snapshot;
        seen
    }
}

/// Asks on a thread of its own, and reports the outcome.
fn report(
    world: &World,
    client: &Client,
    name: &str,
    command: &Value,
    ask: impl FnOnce() -> Result<Value, Error> + Send + 'static,
) {
    let (name, of, dead) = (name.to_owned(), as_of(command), Arc::clone(&client.dead));
    let work = move || {
        let mut event = json!({ "event": "result", "client": name, "as": of });
        match ask() {
            Ok(value) => event["value"] = value,
            Err(error) => event["error"] = json!(error.code().as_str()),
        }
        if !dead.load(Ordering::SeqCst) {
            send(&event);
        }
    };
    world.run("reader", work).unwrap();
}

fn listener(
    name: &str,
    dead: &Arc<AtomicBool>,
    throws: &Arc<Mutex<Vec<String>>>,
) -> impl Fn(&Event) + Send + Sync + 'static {
    let (name, dead, throws) = (name.to_owned(), Arc::clone(dead), Arc::clone(throws));
    move |event| {
        let Some((event, more)) = line_of(event) else {
            return;
        };
        let mut line = json!({ "event": event, "client": name });
        line.as_object_mut().unwrap().extend(more);
        if !dead.load(Ordering::SeqCst) {
            send(&line);
        }
        let throws = throws.lock().unwrap().iter().any(|each| each == event);
        assert!(!throws, "a listener that throws");
    }
}

fn line_of(event: &Event) -> Option<(&'static str, Map<String, Value>)> {
    let mut more = Map::new();
    let name = match event {
        Event::Ready(_) => "ready",
        Event::Change(change) => {
            more.insert("changedTables".to_owned(), json!(change.changed_tables));
            "change"
        }
        Event::Error(error) => {
            more.insert("code".to_owned(), json!(error.code().as_str()));
            "error"
        }
        Event::Recovered => "recovered",
        Event::UpdateRequired(_) => "updateRequired",
        _ => return None,
    };
    Some((name, more))
}

fn status_seen(status: &Status) -> Value {
    json!({
        "state": status.state.as_str(),
        "ready": status.ready.as_str(),
        "failures": status.failures,
        "updateRequired": status.update_required,
    })
}

fn refresh_result(result: &RefreshResult) -> Value {
    let mut seen = json!({
        "status": result.status.as_str(),
        "changedTables": result.changed_tables,
    });
    if let Some(version) = &result.version {
        seen["sequence"] = json!(version.sequence);
    }
    if let Some(error) = &result.error {
        seen["error"] = json!(error.code().as_str());
    }
    seen
}

/// A store of flags, which may be broken.
struct FlagStore(Switch);

impl Flag for FlagStore {
    fn value(&self) -> Value {
        let value = self.0.value();
        assert!(value != THROWS, "the flags are not there");
        value
    }

    fn watch(&self, changed: snapshot_client::Changed) {
        self.0.watch(changed);
    }
}

impl Transport for Counted {
    fn get(&self, request: &Request) -> Result<Response, Error> {
        let result = self.world.request(|| {
            send(&json!({ "event": "work" }));
            self.inner.get(request)
        });
        send(&json!({ "event": "work" }));
        result
    }
}
