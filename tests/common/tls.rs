//! TLS before a server that has none: certificates from a private authority, and the proxy that has them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The handle of a proxy. It stops when dropped.
pub struct Tls {
    proxy: Child,
    pub url: String,
    folder: tempfile::TempDir,
}

impl Tls {
    /// Before the server of this address, `http://HOST:PORT`.
    pub fn before(url: impl AsRef<str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        super::kafka::secured::make_certificates(folder.path());
        let port = url.as_ref().rsplit(':').next().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/tls.py");
        let mut proxy = Command::new("python3")
            .arg(script)
            .arg(folder.path().join("broker.both"))
            .arg(port)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut own = String::new();
        BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut own).unwrap();
        Self { proxy, url: format!("https://127.0.0.1:{}", own.trim()), folder }
    }

    /// The file with the authority, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> String {
        self.folder.path().join("ca.pem").to_str().unwrap().to_owned()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}
