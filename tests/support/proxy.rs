//! A TCP proxy that can be told to cut connections, for faults between a client and its server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes bytes on until told otherwise; ends when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Bytes from the client that a connection passes on before it is cut.
    cut_after: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let cut_after = Arc::new(AtomicU64::new(u64::MAX));
        let limit = Arc::clone(&cut_after);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let limit = limit.load(Ordering::SeqCst);
                connections.spawn(async move {
                    // Either side going away ends both, which is what a cut cable does.
                    let _ = pass(client, server, limit).await;
                });
            }
        });
        Self { address, cut_after, _tasks: tasks }
    }

    /// Connections opened from now on are cut after this many bytes from the client.
    pub(crate) fn cut_after(&self, n_bytes: u64) {
        self.cut_after.store(n_bytes, Ordering::SeqCst);
    }

    /// Connections opened from now on are left alone.
    pub(crate) fn heal(&self) {
        self.cut_after(u64::MAX);
    }
}

async fn pass(client: TcpStream, server: SocketAddr, limit: u64) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut from_client = from_client.take(limit);
    tokio::select! {
        sent = tokio::io::copy(&mut from_client, &mut to_server) => {
            if sent? < limit {
                // The client has said all; the answer is still to come.
                to_server.shutdown().await?;
                tokio::io::copy(&mut from_server, &mut to_client).await?;
            }
        }
        answered = tokio::io::copy(&mut from_server, &mut to_client) => {
            answered?;
        }
    }
    Ok(())
}
