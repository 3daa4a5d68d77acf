//! The other publisher.

use super::*;

/// Not a test of its own: the program that the scenarios above start, stop and kill. It
/// does what it reads, one word a line, and ends with its input.
#[test]
#[ignore = "run by the scenarios, in a process of its own"]
fn another_publisher() {
    let Some(root) = env::var_os("ANOTHER_PUBLISHER") else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        match Embedded::start(Path::new(&root)).await {
            Ok(server) => obey(server).await,
            Err(error) => reply(&format!("failed {}", one_line(&error))),
        }
    });
}

pub(super) async fn obey(server: Embedded) {
    reply("started");
    let mut lines = BufReader::new(std::io::stdin()).lines();
    while let Some(Ok(line)) = lines.next() {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("write", text) => write_down(&server, text).await,
            ("read", _) => {
                reply(&read_back(&server).await.join("|"));
                continue;
            }
            ("panic", _) => panic!("as told"),
            (other, _) => panic!("not understood: {other}"),
        }
        reply("done");
    }
    server.stop().await.expect("it stops");
    reply("left");
}

/// Marked, because the test harness writes to the same place.
pub(super) fn reply(text: &str) {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "\n> {text}")
        .and_then(|()| stdout.flush())
        .expect("somebody listens");
}

pub(super) fn one_line(error: &EmbeddedError) -> String {
    let mut said = error.to_string();
    if let Some(cause) = std::error::Error::source(error) {
        said += &format!(" caused by: {cause}");
    }
    if let Some(hint) = error.hint() {
        said += &format!(" hint: {hint}");
    }
    said.replace('\n', " ")
}

/// How another publisher is to be started.
pub(super) struct Start {
    pub(super) command: Command,
    pub(super) before: Option<String>,
}

impl Start {
    pub(super) fn env(mut self, name: &str, value: &Path) -> Self {
        self.command.env(name, value);
        self
    }

    pub(super) fn without_privileges(mut self) -> Self {
        if let Some(nobody) = User::from_name("nobody")
            .ok()
            .flatten()
            .filter(|_| geteuid().is_root())
        {
            self.command
                .uid(nobody.uid.as_raw())
                .gid(nobody.gid.as_raw());
        }
        self
    }

    /// Runs shell commands first, in a view of the file system that nobody else sees.
    pub(super) fn after(mut self, commands: &str) -> Self {
        self.before = Some(commands.to_owned());
        self
    }

    pub(super) fn begins(self) -> Publisher {
        let mut command = match self.before {
            None => self.command,
            Some(before) => in_a_private_view(&self.command, &before),
        };
        command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the test program runs");
        let stdin = child.stdin.take();
        let replies = replies_of(child.stdout.take().expect("it is piped"));
        Publisher {
            child,
            stdin,
            replies,
        }
    }

    #[track_caller]
    pub(super) fn starts(self) -> Publisher {
        let mut publisher = self.begins();
        publisher.waits_for("started");
        publisher
    }

    #[track_caller]
    pub(super) fn fails(self) -> String {
        let reply = self.begins().reply();
        reply
            .strip_prefix("failed ")
            .unwrap_or_else(|| panic!("it {reply}"))
            .to_owned()
    }
}

pub(super) fn in_a_private_view(command: &Command, before: &str) -> Command {
    let mut view = Command::new("unshare");
    view.args([
        "--mount",
        "/bin/sh",
        "-c",
        &format!("{before} && exec \"$@\""),
        "sh",
    ]);
    view.arg(command.get_program()).args(command.get_args());
    view.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    view
}

pub(super) fn may_mount() -> bool {
    let view = ["--mount", "/bin/sh", "-c", "mount -t tmpfs none /mnt"];
    let may = geteuid().is_root()
        && Command::new("unshare")
            .args(view)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !may {
        eprintln!("not tried: this user may not mount");
    }
    may
}

/// Another publisher, in a process of its own. Killed when dropped.
pub(super) struct Publisher {
    pub(super) child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) replies: Receiver<String>,
}

impl Publisher {
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(super) fn says(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it still listens");
        writeln!(stdin, "{line}").expect("it still listens");
    }

    pub(super) fn reply(&mut self) -> String {
        self.replies
            .recv_timeout(AT_LAST)
            .unwrap_or_else(|error| error.to_string())
    }

    #[track_caller]
    pub(super) fn waits_for(&mut self, expected: &str) {
        assert_eq!(self.reply(), expected);
    }

    #[track_caller]
    pub(super) fn writes(&mut self, text: &str) {
        self.says(&format!("write {text}"));
        self.waits_for("done");
    }

    pub(super) fn reads(&mut self) -> String {
        self.says("read");
        self.reply()
    }

    #[track_caller]
    pub(super) fn leaves(&mut self) {
        self.stdin = None;
        self.waits_for("left");
        assert!(self.child.wait().expect("it is ours").success());
    }

    pub(super) fn is_stopped(&self) {
        kill(self.pid(), Signal::SIGSTOP).expect("it is there");
    }

    pub(super) fn is_sent(&mut self, signal: Signal) {
        kill(self.pid(), signal).expect("it is there");
        self.child.wait().expect("it is ours");
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on what [`reply`] wrote, and nothing of what the test harness does.
pub(super) fn replies_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(reply) = line.strip_prefix("> ") {
                let _ = sender.send(reply.to_owned());
            }
        }
    });
    receiver
}

/// The name of that program among the tests.
pub(super) fn name_of_program() -> String {
    // Our own module, without the name of the crate that it was compiled into.
    let module = module_path!()
        .split_once("::")
        .map(|(_, rest)| format!("{rest}::"))
        .unwrap_or_default();
    format!("{module}another_publisher")
}
