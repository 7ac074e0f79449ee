//! The accept loop. poem's own keeps half-sent requests open for ever and spins when descriptors
//! run out (PROVING.md section 1), so connections are served by hyper-util directly.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::endpoint::BoxEndpoint;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::tls::Tls;

/// What one client may take.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    pub max_connections: usize,
    /// How long a request's head may take, and how long a connection may idle between requests.
    pub header_timeout: Duration,
    pub max_header_bytes: usize,
    /// How long requests under way may take to end at shutdown.
    pub drain_timeout: Duration,
}

/// Pause after a failed accept, so that running out of descriptors does not burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled, then lets requests under way finish. With `tls` every
/// connection is encrypted.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    endpoint: BoxEndpoint<'static>,
    limits: &ServerLimits,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    // HTTP/1 alone: telling the versions apart would wait for the first bytes without a deadline.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_header_bytes);
    let local = listener.local_addr().ok();
    let talk = Arc::new(Talk { http, endpoint, local, stop: stop.clone() });

    loop {
        // Finished connections leave the set, so that it stays as small as the room.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let (talk, tls, shaking) = (Arc::clone(&talk), tls.clone(), limits.header_timeout);
        connections.spawn(async move {
            match tls {
                None => talk.with(stream, peer, Scheme::HTTP).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(shaking, tls.acceptor().accept(stream));
                    match talk.stop.run_until_cancelled(handshake).await {
                        Some(Ok(Ok(stream))) => talk.with(stream, peer, Scheme::HTTPS).await,
                        Some(Ok(Err(error))) => {
                            tracing::debug!(%error, %peer, "a connection was not encrypted");
                        }
                        Some(Err(_)) | None => {
                            tracing::debug!(%peer, "a connection was not encrypted in time");
                        }
                    }
                }
            }
            drop(permit);
        });
    }

    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, drained).await.is_err() {
        tracing::warn!("connections were still open when the time to drain was over");
    }
    connections.shutdown().await;
}

/// What all connections have in common.
struct Talk {
    http: http1::Builder,
    endpoint: BoxEndpoint<'static>,
    local: Option<SocketAddr>,
    stop: CancellationToken,
}

impl Talk {
    /// Answers the requests of one connection until it ends; when the service stops, the one that
    /// is under way is the last.
    async fn with(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        scheme: Scheme,
    ) {
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let talk = Arc::clone(self);
            let local = LocalAddr(Addr::SocketAddr(self.local.unwrap_or(peer)));
            let remote = RemoteAddr(Addr::SocketAddr(peer));
            let scheme = scheme.clone();
            async move {
                let request = Request::from((request, local, remote, scheme));
                let response = match talk.endpoint.call(request).await {
                    Ok(response) => response,
                    Err(error) => error.into_response(),
                };
                Ok::<_, Infallible>(hyper::Response::from(response))
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}
