//! The server itself: where it listens, and its connections, bounded in number and in how long each may take to
//! ask.

use super::Keys;
use crate::config::ServeConfig;
use crate::error::{Class, Error, Failure, Result, Stage};
use axum::Router;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at once; further ones wait with the kernel.
const CONNECTIONS: usize = 512;
/// How long the head of a request may take, from the connection or the answer before on: one that does
/// nothing keeps no place.
const HEAD: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 30 });
/// How long a client may take nothing of what is sent to it.
const UNREAD: Duration = HEAD;
/// How long open connections may take to end after the stop signal. Uploads that are acknowledged
/// are durable before the answer, so cutting the rest off loses nothing that was promised.
const GRACE: Duration = Duration::from_secs(5);
/// What to wait where no connection can be taken: the process has too many files open.
const AGAIN: Duration = Duration::from_millis(200);

/// Takes the address of `serve.listen`.
///
/// Errors: `Fatal`: it is no address, it is in use, or others could reach it while no key is asked
/// for.
pub async fn bind(config: &ServeConfig) -> Result<TcpListener> {
    let listen = &config.listen;
    let form = "set serve.listen to HOST:PORT, as 127.0.0.1:8737";
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen.as_str())
        .await
        .map_err(|e| wrong(format!("serve.listen `{listen}` is no address to listen on: {e}"), form))?
        .collect();
    addresses.iter().try_for_each(|address| check_exposure(config, *address))?;
    TcpListener::bind(addresses.as_slice()).await.map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => wrong(
            format!("serve.listen {listen} is in use by another program"),
            "stop that program, or set serve.listen to another port",
        ),
        ErrorKind::PermissionDenied => wrong(
            format!("serve.listen {listen} needs rights that this process lacks"),
            "set serve.listen to a port above 1023",
        ),
        _ => wrong(format!("cannot listen on serve.listen {listen}: {e}"), form),
    })
}

/// Whether the API may be at this address.
///
/// Errors: `Fatal`: others could reach it while no key is asked for; a key cannot be read.
pub fn check_exposure(config: &ServeConfig, address: SocketAddr) -> Result<()> {
    let keys = Keys::open(config).map_err(|what| {
        wrong(
            what,
            "write KEY, ROLE:sha256:HEX or ROLE:sha256:HEX:NAME; roles are reader, writer, reviewer, admin",
        )
    })?;
    if address.ip().to_canonical().is_loopback() || keys.are_asked_for() {
        return Ok(());
    }
    Err(wrong(
        format!("serve.listen {address} can be reached from other machines, and serve.api_keys is empty"),
        "add a key with `quire keys add`, set serve.api_keys, or let serve.listen be 127.0.0.1:PORT",
    ))
}

/// Answers requests until `shutdown`, then lets those that are open end for a few seconds.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            // It is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    answer(stream, peer, router, stopped).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("a connection could not be taken: {error}");
                sleep(AGAIN).await;
            }
        }
    }
    drop(listener);
    let _ = stop.send(());
    // A client that neither reads nor hangs up must not keep the program from ending.
    let ended = timeout(GRACE, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "HTTP connections did not end in time and were cut off"
        );
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, mut stopped: watch::Receiver<()>) {
    // An answer is written whole: waiting for more to send with it only makes it late.
    let _ = stream.set_nodelay(true);
    end_where_unread(&stream);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let server = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut server = pin!(server);
    let ended = tokio::select! {
        ended = server.as_mut() => ended,
        _ = stopped.changed() => {
            server.as_mut().graceful_shutdown();
            server.await
        }
    };
    // The other side went away, or asked too slowly: nothing that anybody could mend here.
    if let Err(error) = ended {
        tracing::debug!(%peer, "a connection ended: {error}");
    }
}

/// Has the kernel end a connection whose other side takes nothing for [`UNREAD`] of what was sent (RFC 5482): it would
/// keep its place for ever.
fn end_where_unread(stream: &TcpStream) {
    let most = libc::c_uint::try_from(UNREAD.as_millis()).unwrap_or(libc::c_uint::MAX);
    let size = libc::socklen_t::try_from(size_of_val(&most)).unwrap_or_default();
    // SAFETY: the descriptor is open as long as the stream is borrowed, and the kernel reads `size` bytes of a
    // number that outlives the call.
    let set = unsafe {
        let value = (&raw const most).cast::<libc::c_void>();
        libc::setsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, value, size)
    };
    if set != 0 {
        tracing::debug!("a connection has no limit of unread data: {}", std::io::Error::last_os_error());
    }
}

/// A wrong setting; `Stage::Consume` because this is where documents come in.
fn wrong(reason: String, remedy: &str) -> Error {
    let mut failure = Failure::new(Stage::Consume, Class::Config, reason);
    remedy.clone_into(&mut failure.remedy);
    Error::Fatal(failure)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
