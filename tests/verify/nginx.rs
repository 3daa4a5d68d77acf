//! Verifying what a real nginx serves, by the configuration that we recommend.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::published;
use crate::support::repository;

// Ends with the test, whatever becomes of the test.
pub struct Nginx {
    process: Child,
    pub address: SocketAddr,
    // Holds its files.
    _folder: tempfile::TempDir,
}

impl Nginx {
    // By docker/static.conf. `None` where no nginx is installed.
    pub fn start(root: &Path) -> Option<Self> {
        let server = fs::read_to_string(repository().join("docker/static.conf")).unwrap();
        Self::by(server, root)
    }

    fn by(mut server: String, root: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        for (ours, here) in [
            ("listen 8080", format!("listen {address}")),
            ("root /srv/snapshots", format!("root {}", root.display())),
        ] {
            assert_eq!(server.matches(ours).count(), 1, "{ours}");
            server = server.replace(ours, &here);
        }
        // root may read a test's folder; the user that nginx would switch to may not.
        let is_root = fs::read_dir("/root").is_ok();
        let user = if is_root { "user root;" } else { "" };
        let own = folder.path().display();
        let config = format!(
            "{user} daemon off; master_process off; pid {own}/pid; error_log {own}/error.log;
             events {{ worker_connections 64; }}
             http {{
               access_log off; client_body_temp_path {own}/body; proxy_temp_path {own}/proxy;
               fastcgi_temp_path {own}/fastcgi; uwsgi_temp_path {own}/uwsgi;
               scgi_temp_path {own}/scgi;
               {server}
             }}"
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, config).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&path);
        command.arg("-e").arg(folder.path().join("start.log"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut nginx = Self {
            process: process.ok()?,
            address,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = nginx.process.try_wait().unwrap();
            assert!(ended.is_none(), "nginx does not start");
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_snapshot_that_nginx_serves_by_our_configuration_verifies_without_a_remark() {
    let project = published();
    let Some(nginx) = Nginx::start(&project.path("snapshots")) else {
        eprintln!("passed over: nginx is not installed");
        return;
    };
    let url = format!("http://{}", nginx.address);
    let verified = project.run(&["verify", "--all", "--strict", &url]);
    verified.succeeded();
    let in_folder = project.run(&["verify", "--all"]);
    assert_eq!(verified.stdout, in_folder.stdout);
    // What a publisher keeps beside the snapshot is nobody's concern.
    assert!(project.path("snapshots/.lock").exists());
    let mut stream = TcpStream::connect(nginx.address).unwrap();
    write!(stream, "GET /.lock HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

// As people write it: for ever on everything but the pointer.
const CARELESS: &str = r#"
server {
    listen 8080;
    root /srv/snapshots;
    types { application/json json; }
    gzip_static on;
    gzip_vary on;
    add_header Cache-Control "public, max-age=31536000, immutable" always;
    add_header Access-Control-Allow-Origin * always;
    location = /version.json {
        add_header Cache-Control "public, max-age=5";
        add_header Access-Control-Allow-Origin *;
    }
}"#;

#[test]
fn a_site_that_lets_refusals_be_kept_is_told_so() {
    let project = published();
    let Some(nginx) = Nginx::by(CARELESS.to_owned(), &project.path("snapshots")) else {
        eprintln!("passed over: nginx is not installed");
        return;
    };
    let url = format!("http://{}", nginx.address);
    let report = project.run(&["verify", "--strict", &url]);
    assert_eq!(report.status, Some(1));
    let kept = "public, max-age=31536000, immutable";
    for line in [
        format!(
            ".json: Cache-Control of a range that is not there: expected no-store, found {kept}, {kept} with status 416"
        ),
        ".json: Access-Control-Allow-Origin lines: expected 1, found 2 with status 416".to_owned(),
        format!(
            "tables: Cache-Control of a folder: expected no-store, found {kept} with status 301"
        ),
        format!(" Cache-Control of what is not there: expected no-store, found {kept}"),
    ] {
        let said = format!("{}{}", report.stdout, report.stderr);
        assert!(said.contains(&line), "{line} in\n{said}");
    }
}
