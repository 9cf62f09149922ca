//! Connections to Kafka: their settings, their health, and errors that say which setting to change.

use crate::config::{KafkaConfig, Protocol};
use crate::error::{Class, Error, Failure, Result, Stage};
use crate::receipt::lock;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{Producer, ProducerContext, ThreadedProducer};
use serde::Deserialize;
use std::ffi::{CString, c_char};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A producer with this module's context.
pub type Sender = ThreadedProducer<Context>;

/// How long a first answer may take: a wrong address or password is named within seconds.
pub const FIRST_ANSWER: Duration = Duration::from_secs(6);

/// What every connection hears.
#[derive(Clone)]
pub struct Context {
    health: Arc<Mutex<Option<(RDKafkaErrorCode, String)>>>,
    token_command: Arc<str>,
    undelivered: Arc<Mutex<Option<KafkaError>>>,
}

impl Context {
    /// A context that has heard nothing.
    pub fn new(config: &KafkaConfig) -> Self {
        Self {
            health: Arc::default(),
            token_command: Arc::from(config.token_command.as_str()),
            undelivered: Arc::default(),
        }
    }

    /// Why a record was not delivered, if one was not since the last time this was asked.
    pub fn take_undelivered(&self) -> Option<KafkaError> {
        lock(&self.undelivered).take()
    }

    /// The fault as the user should hear it: what the library said last, and which setting it
    /// concerns.
    pub fn explain(&self, what: &str, error: &KafkaError) -> Error {
        let heard = lock(&self.health).clone();
        let code = error.rdkafka_error_code();
        let (code, said) = match (&heard, code) {
            (
                Some((heard, said)),
                None | Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut),
            ) => (Some(*heard), said.clone()),
            _ => (code, error.to_string()),
        };
        let mut failure = Failure::new(Stage::Consume, Class::Unreachable, format!("{what}: {said}"));
        remedy(code, &said).clone_into(&mut failure.remedy);
        Error::Retry(failure)
    }
}

/// Which setting a fault is about.
fn remedy(code: Option<RDKafkaErrorCode>, said: &str) -> &'static str {
    use RDKafkaErrorCode as Code;
    // The protocol is part of a broker's name there, as in sasl_ssl://HOST:PORT.
    let lower = said.to_lowercase().replace("sasl_plaintext://", "").replace("sasl_ssl://", "");
    let lower = lower.replace("ssl://", "");
    match code {
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            "check kafka.mechanism, kafka.username and kafka.password, or kafka.token_command"
        }
        Some(Code::UnsupportedSASLMechanism | Code::IllegalSASLState) => {
            "check kafka.mechanism and kafka.protocol"
        }
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed,
        ) => "let kafka.username read and write the topics, and use the group and the transactional id",
        Some(Code::SSL) => "check kafka.ca_file and kafka.protocol",
        _ if lower.contains("sasl") => "check kafka.mechanism, kafka.username and kafka.password",
        _ if lower.contains("ssl") || lower.contains("certificate") => {
            "check kafka.protocol and kafka.ca_file"
        }
        _ => "check kafka.brokers (HOST:PORT), kafka.protocol, and that the broker runs",
    }
}

/// What `kafka.token_command` prints.
#[derive(Deserialize)]
struct Token {
    token: String,
    principal: String,
    lifetime_ms: i64,
}

/// Gives a client its token that nobody polls, so that it would never ask for one.
///
/// Errors: `Retry` where there is no token.
pub fn give_token<C: ClientContext>(
    client: &Client<C>,
    context: &Context,
    config: &KafkaConfig,
) -> Result<()> {
    if !config.mechanism.eq_ignore_ascii_case("OAUTHBEARER") {
        return Ok(());
    }
    let refused = |why: String| {
        let mut failure = Failure::new(Stage::Consume, Class::Unreachable, why);
        failure.remedy = "check kafka.token_command".to_owned();
        Error::Retry(failure)
    };
    let token = context.generate_oauth_token(None).map_err(|e| refused(e.to_string()))?;
    let text = |text: String| CString::new(text).map_err(|e| refused(e.to_string()));
    let (value, principal) = (text(token.token)?, text(token.principal_name)?);
    let mut said = [0 as c_char; 512];
    // SAFETY: the client lives through the call; the strings end in zero and are copied; no
    // extensions are given; the buffer is as long as it says.
    let code = unsafe {
        rdkafka::bindings::rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            said.as_mut_ptr(),
            said.len(),
        )
    };
    match code {
        rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        _ => Err(refused("the Kafka library refuses the token".to_owned())),
    }
}

impl ClientContext for Context {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "kafka", facility, "{message}");
            }
            // What matters is said again, with a remedy, where it stops something.
            _ => tracing::debug!(target: "kafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tracing::debug!(target: "kafka", %error, reason, "connection");
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let mut health = lock(&self.health);
        // That all brokers are down is the consequence; keep what was said before.
        if code != RDKafkaErrorCode::AllBrokersDown || health.is_none() {
            *health = Some((code, reason.to_owned()));
        }
    }

    fn generate_oauth_token(
        &self,
        _: Option<&str>,
    ) -> std::result::Result<OAuthToken, Box<dyn std::error::Error>> {
        let output = Command::new("sh").arg("-c").arg(&*self.token_command).output()?;
        if self.token_command.is_empty() || !output.status.success() {
            return Err("kafka.token_command is missing or failed".into());
        }
        // The output is a secret: no error may quote it.
        let token: Token = serde_json::from_slice(&output.stdout)
            .map_err(|_| "kafka.token_command did not print {\"token\", \"principal\", \"lifetime_ms\"}")?;
        Ok(OAuthToken { token: token.token, principal_name: token.principal, lifetime_ms: token.lifetime_ms })
    }
}

impl ConsumerContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = delivered {
            self.error(error.clone(), &error.to_string());
            lock(&self.undelivered).get_or_insert_with(|| error.clone());
        }
    }
}

/// What all connections share.
pub fn base(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    client.set("client.id", format!("quire-{}", env!("CARGO_PKG_VERSION")));
    client.set("socket.keepalive.enable", "true");
    client.set("reconnect.backoff.max.ms", "2000");
    let protocol = match config.protocol {
        Protocol::Plaintext => "plaintext",
        Protocol::Ssl => "ssl",
        Protocol::SaslPlaintext => "sasl_plaintext",
        Protocol::SaslSsl => "sasl_ssl",
    };
    client.set("security.protocol", protocol);
    let mut given = |property: &str, value: &str| {
        if !value.is_empty() {
            client.set(property, value);
        }
    };
    given("ssl.ca.location", &config.ca_file.to_string_lossy());
    given("ssl.certificate.location", &config.certificate_file.to_string_lossy());
    given("ssl.key.location", &config.key_file.to_string_lossy());
    given("ssl.key.password", config.key_password.expose());
    if matches!(config.protocol, Protocol::SaslPlaintext | Protocol::SaslSsl) {
        given("sasl.mechanism", &config.mechanism);
        given("sasl.username", &config.username);
        given("sasl.password", config.password.expose());
    }
    client
}

/// Applies what the user set for the library itself; it wins over everything.
///
/// Errors: `Fatal` for what is no `name=value`.
fn with_properties(mut client: ClientConfig, config: &KafkaConfig) -> Result<ClientConfig> {
    for property in &config.properties {
        let Some((name, value)) = property.split_once('=') else {
            return Err(wrong("kafka.properties holds an entry that is no name=value".to_owned()));
        };
        client.set(name.trim(), value.trim());
    }
    Ok(client)
}

/// A connection of any sort.
///
/// Errors: `Fatal` where a setting is refused, which it names.
pub fn connect<T: FromClientConfigAndContext<C>, C: ClientContext>(
    client: ClientConfig,
    config: &KafkaConfig,
    context: C,
) -> Result<T> {
    let client = with_properties(client, config)?;
    T::from_config_and_context(&client, context).map_err(|e| match e {
        KafkaError::ClientConfig(_, why, name, _) => {
            wrong(format!("the Kafka library refuses the property {name}: {why}"))
        }
        other => wrong(format!("cannot set up the connection to Kafka: {other}")),
    })
}

fn wrong(reason: String) -> Error {
    let mut failure = Failure::new(Stage::Consume, Class::Config, reason);
    failure.remedy = "check the section [kafka] of the configuration, above all kafka.properties".to_owned();
    Error::Fatal(failure)
}

/// A producer that is not transactional: for those who put documents in.
///
/// Errors: `Retry` where the brokers cannot be reached or refuse, in some seconds.
pub fn sender(config: &KafkaConfig) -> Result<(Sender, Context)> {
    let context = Context::new(config);
    let mut client = base(config);
    client.set("enable.idempotence", "true").set("compression.type", "zstd");
    // The broker knows what it takes; here nothing is refused first.
    client.set("message.max.bytes", "1000000000");
    let sender: Sender = connect(client, config, context.clone())?;
    answer(&sender, &context, config)?;
    Ok((sender, context))
}

/// Waits for a first answer of the brokers.
pub fn answer(sender: &Sender, context: &Context, config: &KafkaConfig) -> Result<()> {
    let asked = sender.client().fetch_metadata(None, FIRST_ANSWER);
    asked.map(drop).map_err(|e| context.explain(&format!("no answer from {}", config.brokers), &e))
}

/// A consumer outside of every group, for reading a topic from any offset.
pub fn reader(config: &KafkaConfig, context: &Context) -> Result<BaseConsumer<Context>> {
    // A group's name is asked for; nothing is ever committed to it.
    member(config, &format!("{}-reader", config.group), context)
}

/// A consumer that knows a group's offsets and never joins it.
pub fn member(config: &KafkaConfig, group: &str, context: &Context) -> Result<BaseConsumer<Context>> {
    let mut client = base(config);
    client.set("group.id", group);
    client.set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
    client.set("session.timeout.ms", config.session_timeout_ms.to_string());
    client.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
    client.set("queued.max.messages.kbytes", "16384");
    // One record may be as long as the broker takes.
    client.set("fetch.message.max.bytes", "1048576").set("receive.message.max.bytes", "1500000000");
    let reader: BaseConsumer<Context> = connect(client, config, context.clone())?;
    // It is asked for metadata before it is first polled.
    give_token(reader.client(), context, config)?;
    Ok(reader)
}
