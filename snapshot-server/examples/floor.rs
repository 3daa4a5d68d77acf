//! How little can an answer cost on this machine?
//!
//! ```text
//! floor PORT RESPONSE_FILE write|memory|file
//! ```
//!
//! Waits, reads whatever a client sends, and answers with the same bytes, on each
//! processor: three system calls and nothing between them, no HTTP, no log, no
//! limit. What a server of files costs more than this is its own; what this costs
//! is the kernel's. `write` copies the response into the kernel, `memory` sends it
//! from a file of memory, `file` from an unlinked file in the temporary folder.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("error: only Linux has epoll");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::HashMap;
    use std::error::Error;
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::sync::Arc;

    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::sendfile::sendfile64;

    /// Where the response is taken from.
    enum Source {
        Bytes,
        File(File),
    }

    struct Response {
        bytes: Vec<u8>,
        source: Source,
    }

    /// A connection, and how much of a response is still to be sent.
    struct Connection {
        stream: TcpStream,
        left_bytes: usize,
    }

    pub(super) fn main() -> Result<(), Box<dyn Error>> {
        let arguments: Vec<_> = std::env::args().collect();
        let [_, port, path, source] = &arguments[..] else {
            return Err("usage: floor PORT RESPONSE_FILE write|memory|file".into());
        };
        let bytes = std::fs::read(path)?;
        let source = match source.as_str() {
            "write" => Source::Bytes,
            "memory" => {
                let mut file = File::from(memfd_create(c"floor", MFdFlags::empty())?);
                file.write_all(&bytes)?;
                Source::File(file)
            }
            "file" => {
                let mut file = tempfile::tempfile()?;
                file.write_all(&bytes)?;
                Source::File(file)
            }
            other => return Err(format!("{other}: write, memory or file").into()),
        };
        let response = Arc::new(Response { bytes, source });
        let listener = Arc::new(TcpListener::bind(("127.0.0.1", port.parse()?))?);
        listener.set_nonblocking(true)?;
        let threads = std::thread::available_parallelism()?.get();
        let serving: Vec<_> = (0..threads)
            .map(|_| {
                let (listener, response) = (listener.clone(), response.clone());
                std::thread::spawn(move || serve(&listener, &response))
            })
            .collect();
        for thread in serving {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    }

    fn serve(listener: &TcpListener, response: &Response) -> io::Result<()> {
        let epoll = Epoll::new(EpollCreateFlags::empty())?;
        let shared = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        epoll.add(listener, EpollEvent::new(shared, 0))?;
        let mut connections = HashMap::new();
        let mut events = [EpollEvent::empty(); 64];
        let mut scratch = [0; 16 * 1024];
        loop {
            let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
            for event in &events[..count] {
                let id = event.data();
                if id == 0 {
                    accept(listener, &epoll, &mut connections)?;
                    continue;
                }
                let connection = connections.get_mut(&id).expect("registered");
                if !connection.go_on(response, &mut scratch) {
                    connections.remove(&id);
                }
            }
        }
    }

    fn accept(
        listener: &TcpListener,
        epoll: &Epoll,
        connections: &mut HashMap<u64, Connection>,
    ) -> io::Result<()> {
        let Ok((stream, _)) = listener.accept() else {
            return Ok(());
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let id = u64::try_from(stream.as_raw_fd()).expect("a descriptor");
        let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        epoll.add(&stream, EpollEvent::new(both, id))?;
        let left_bytes = 0;
        connections.insert(id, Connection { stream, left_bytes });
        Ok(())
    }

    impl Connection {
        /// Sends what is left, else reads once and answers; false where it is over.
        fn go_on(&mut self, response: &Response, scratch: &mut [u8]) -> bool {
            if self.left_bytes == 0 {
                match self.stream.read(scratch) {
                    Ok(0) => return false,
                    Ok(_) => self.left_bytes = response.bytes.len(),
                    Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                }
            }
            while self.left_bytes > 0 {
                match self.send(response) {
                    Ok(count) => self.left_bytes -= count,
                    Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
                }
            }
            true
        }

        fn send(&mut self, response: &Response) -> io::Result<usize> {
            let sent = response.bytes.len() - self.left_bytes;
            match &response.source {
                Source::Bytes => self.stream.write(&response.bytes[sent..]),
                Source::File(file) => {
                    let mut position = i64::try_from(sent).expect("a position");
                    let count = self.left_bytes;
                    Ok(sendfile64(&self.stream, file, Some(&mut position), count)?)
                }
            }
        }
    }
}
