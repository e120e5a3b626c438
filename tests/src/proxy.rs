//! A TCP proxy whose traffic a test can hold back: a slow or silent line to a node that itself is fine.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// Whether bytes towards the node pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Held,
}

/// A proxy on a free loopback port. What is held back is delivered when the gate opens, unless the client has gone.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

impl Proxy {
    /// A proxy to `target`, open.
    pub fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let gate = Arc::new((Mutex::new(Gate::Open), Condvar::new()));
        let gates = gate.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = gates.clone();
                thread::spawn(move || carry(client, target, &gate));
            }
        });
        Self { address, gate }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing reaches the target.
    pub fn hold(&self) {
        self.set(Gate::Held);
    }

    /// Lets everything pass again, also what was held back for clients that are still there.
    pub fn open(&self) {
        self.set(Gate::Open);
    }

    fn set(&self, gate: Gate) {
        *self.gate.0.lock().expect("no holder of the gate panics") = gate;
        self.gate.1.notify_all();
    }
}

/// Carries one connection in both directions until either end closes it.
fn carry(mut client: TcpStream, target: SocketAddr, gate: &(Mutex<Gate>, Condvar)) {
    let Ok(mut node) = TcpStream::connect(target) else { return };
    let (Ok(mut answers), Ok(mut back)) = (node.try_clone(), client.try_clone()) else { return };
    thread::spawn(move || {
        // Either end may close at any moment: that is what the test is about.
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer) {
        let held = gate.1.wait_while(gate.0.lock().expect("as above"), |gate| *gate == Gate::Held);
        drop(held.expect("as above"));
        if is_gone(&client) || node.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = node.shutdown(Shutdown::Both);
}

/// Whether the client has closed its end: what it sent before is lost with it, as on a line that was cut.
fn is_gone(client: &TcpStream) -> bool {
    let mut byte = [0];
    client.set_nonblocking(true).is_err()
        || matches!(client.peek(&mut byte), Ok(0))
        || client.set_nonblocking(false).is_err()
}
