//! The child's side: prepare, seal, answer until the parent hangs up.

use super::lines::{Apart, Link};
use super::seal::{self, Sealed};
use super::wire::{Said, Start};
use super::{Fault, Reply, Request, Setup};
use super::{networks, wire};
use crate::decode;
use crate::digitize::Reader;
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::panicked;
use crate::tensor::Network;
use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// No document is larger; the parent's own limit is lower.
const MAX_DOCUMENT: u64 = 8 << 30;

/// Serves requests on standard input (a socket) until the parent closes it.
pub fn serve() -> std::io::Result<()> {
    use std::os::fd::AsFd;
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let link = Rc::new(RefCell::new(Link::new(socket)?));
    // The default hook prints to stderr; what a panic says travels in the reply instead.
    std::panic::set_hook(Box::new(|_| {}));

    let (Start { setup, required }, _) = wire::read_frame::<Start>(&mut link.borrow_mut().from, 0)?;
    let prepared = prepare(&setup, required, &link);
    let (ready, mut reader) = match prepared {
        Ok((reader, sealed)) => (Ok(sealed), reader),
        Err(error) => (Err(error), None),
    };
    wire::write_frame(&mut link.borrow_mut().to, &ready, None)?;

    let mut held = Vec::new();
    loop {
        let heard = wire::read_frame::<Request>(&mut link.borrow_mut().from, MAX_DOCUMENT);
        let (request, bytes) = match heard {
            Ok(frame) => frame,
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        };
        if let Some(bytes) = bytes {
            held = bytes;
        }
        if let Setup::Faulty(fault) = setup {
            fail(fault, &mut link.borrow_mut().to)?;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| answer(&request, &held, reader.as_mut())));
        let answer = answer.unwrap_or_else(|panic| Err(convict(&request, &*panic)));
        let said = Said::Answer(answer);
        let parts = match &said {
            Said::Answer(Ok(reply)) => reply.parts(),
            _ => Vec::new(),
        };
        let parts = Some(parts.as_slice()).filter(|parts| !parts.is_empty());
        wire::write_frame(&mut link.borrow_mut().to, &said, parts)?;
    }
}

/// Fails on purpose.
fn fail(fault: Fault, to: &mut impl Write) -> std::io::Result<()> {
    let mut taken = Vec::new();
    match fault {
        Fault::Hang => loop {
            std::hint::spin_loop();
        },
        // Written to, so that the memory is really there.
        Fault::Memory => loop {
            taken.push(vec![1u8; 16 << 20]);
        },
        Fault::Segfault => {
            // SAFETY: plain system calls that signal this process. The handler of Rust's runtime, which looks
            // for overflown stacks and would go on after a signal without a fault, is taken away.
            unsafe {
                libc::signal(libc::SIGSEGV, libc::SIG_DFL);
                libc::raise(libc::SIGSEGV);
            }
        }
        Fault::Babble => babble(to)?,
        Fault::Open => {
            if std::fs::File::open("/proc/self/status").is_ok() {
                babble(to)?;
            }
        }
    }
    Ok(())
}

fn babble(to: &mut impl Write) -> std::io::Result<()> {
    to.write_all(&[0xff; 64])?;
    to.flush()
}

fn prepare(setup: &Setup, required: bool, link: &Rc<RefCell<Link>>) -> Result<(Option<Reader>, Sealed)> {
    let reader = match setup {
        Setup::Decode | Setup::Faulty(_) => None,
        Setup::Digitize { engine, networks, languages, retry_below, lines_apart } => {
            let apart = lines_apart.then(|| Box::new(Apart(Rc::clone(link))) as Box<dyn Network>);
            Some(Reader::new(*engine, languages, *retry_below, networks::read(networks, apart))?)
        }
    };
    let sealed = seal::seal(required).map_err(|e| {
        let reason = format!("this kernel refuses the sandbox (seccomp): {e}");
        let mut failure = Failure::new(Stage::Decode, Class::Config, reason);
        failure.remedy = "allow seccomp filters to this process (of a container, in its profile; of a kernel, \
                          CONFIG_SECCOMP_FILTER), or set sandbox.required = false, and let it read only documents that \
                          you trust"
            .to_owned();
        Error::Fatal(failure)
    })?;
    Ok((reader, sealed))
}

fn answer(request: &Request, bytes: &[u8], reader: Option<&mut Reader>) -> Result<Reply> {
    match request {
        Request::Decode { name, declared, limits } => {
            decode::decode(bytes, name, declared.as_deref(), limits).map(Reply::Decoded)
        }
        Request::Paint { media_type, page, limits, width } => {
            let painting = decode::paint(bytes, *media_type, *page, limits, *width)?;
            Ok(Reply::Painted { jpeg: painting.jpeg, size: painting.size, dpi: painting.dpi })
        }
        Request::Digitize { media_type, page, limits } => {
            let image = decode::page_image(bytes, *media_type, *page, limits)?;
            let reader = reader.ok_or_else(|| {
                Error::fatal(Stage::Digitize, Class::Internal, "a parser process was asked to read a page")
            })?;
            let mut text = reader.read(&image.pixels, image.dpi)?;
            decode::add_form(&mut text, image.form);
            Ok(Reply::Page(text))
        }
    }
}

/// A panic in a parser is a fault of the parser met by this document: the document is rejected
/// and nothing else is affected.
fn convict(request: &Request, panic: &(dyn std::any::Any + Send)) -> Error {
    let stage = match request {
        Request::Decode { .. } | Request::Paint { .. } => Stage::Decode,
        Request::Digitize { .. } => Stage::Digitize,
    };
    let text = panicked(stage, panic).failure().reason.clone();
    Error::reject(stage, Class::Corrupt, format!("the parser gave up: {text}"))
}
