//! Listeners with TLS and SASL, and the certificates they need.

use super::{Kafka, Ports};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::path::Path;
use std::process::Command;

/// The user of every mechanism.
pub const USER: &str = "alice";
/// Her password.
pub const PASSWORD: &str = "correct horse";

impl Kafka {
    /// The certificate to trust.
    pub fn ca_file(&self) -> String {
        self.file("ca.pem")
    }

    /// A client's certificate and key.
    pub fn client_certificate(&self) -> (String, String) {
        (self.file("client.pem"), self.file("client.key"))
    }

    fn file(&self, name: &str) -> String {
        self.dir().join(name).to_str().unwrap().to_owned()
    }
}

/// What a `kafka.token_command` prints: an unsecured token, which this Kafka believes.
pub fn token(principal: &str, lifetime_s: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let expires = now + lifetime_s;
    let part = |json: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(serde_json::json!({ "alg": "none" }));
    let claims = part(serde_json::json!({ "sub": principal, "iat": now, "exp": expires }));
    let token = format!("{head}.{claims}.");
    serde_json::json!({ "token": token, "principal": principal, "lifetime_ms": expires * 1000 }).to_string()
}

/// For `kafka.tools.StorageTool format --add-scram`.
pub(super) fn scram_user() -> String {
    format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
}

/// The listeners of one broker; with those that need certificates from `dir`, if there is one.
pub(super) fn listeners(ports: &Ports, dir: Option<&Path>) -> Vec<String> {
    let mut all = vec![("PLAINTEXT", ports.plain)];
    if dir.is_some() {
        all.extend([
            ("SSL", ports.ssl),
            ("SASL_PLAINTEXT", ports.sasl_plaintext),
            ("SASL_SSL", ports.sasl_ssl),
        ]);
    }
    let listed = |all: &[(&str, u16)]| {
        let each: Vec<_> = all.iter().map(|(name, port)| format!("{name}://127.0.0.1:{port}")).collect();
        each.join(",")
    };
    let mut lines = vec![
        format!("advertised.listeners={}", listed(&all)),
        format!("listeners={},CONTROLLER://127.0.0.1:{}", listed(&all), ports.controller),
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
         SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"
            .to_owned(),
    ];
    let Some(dir) = dir else { return lines };
    lines.extend([
        "ssl.keystore.type=PEM".to_owned(),
        format!("ssl.keystore.location={}", dir.join("broker.both").display()),
        "ssl.truststore.type=PEM".to_owned(),
        format!("ssl.truststore.location={}", dir.join("ca.pem").display()),
        "listener.name.ssl.ssl.client.auth=required".to_owned(),
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER".to_owned(),
    ]);
    let common = "org.apache.kafka.common.security";
    let unsecured = format!("{common}.oauthbearer.internals.unsecured");
    for listener in ["listener.name.sasl_plaintext", "listener.name.sasl_ssl"] {
        lines.extend([
            format!(
                "{listener}.plain.sasl.jaas.config={common}.plain.PlainLoginModule required \
                 user_{USER}=\"{PASSWORD}\";"
            ),
            format!("{listener}.scram-sha-512.sasl.jaas.config={common}.scram.ScramLoginModule required;"),
            format!(
                "{listener}.oauthbearer.sasl.jaas.config={common}.oauthbearer.OAuthBearerLoginModule \
                 required unsecuredLoginStringClaim_sub=\"{USER}\";"
            ),
            format!(
                "{listener}.oauthbearer.sasl.server.callback.handler.class=\
                 {unsecured}.OAuthBearerUnsecuredValidatorCallbackHandler"
            ),
            format!(
                "{listener}.oauthbearer.sasl.login.callback.handler.class=\
                 {unsecured}.OAuthBearerUnsecuredLoginCallbackHandler"
            ),
        ]);
    }
    lines
}

/// An authority, a broker's certificate for 127.0.0.1 and a client's, by the `openssl` command.
pub fn make_certificates(dir: &Path) {
    let script = r#"
        set -e
        new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "/CN=$2" "${@:3}"; }
        sign() { openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out "$1.pem" "${@:2}"; }
        new ca 'quire tests' -x509 -days 2 -out ca.pem
        new broker localhost -out broker.csr
        sign broker -extfile <(echo subjectAltName=IP:127.0.0.1,DNS:localhost)
        new client alice -out client.csr
        sign client
        cat broker.key broker.pem > broker.both"#;
    let out = Command::new("bash").args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "openssl: {}", String::from_utf8_lossy(&out.stderr));
}
