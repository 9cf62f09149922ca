//! Secrets and signatures, as Standard Webhooks (standardwebhooks.com) has them: receivers check them
//! with a library of their language.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What secrets begin with.
const PREFIX: &str = "whsec_";
/// Bytes of a new secret: as many as the hash has.
const BYTES: usize = 32;

/// A secret that nobody guesses.
///
/// Errors: the system gives no random bytes.
pub fn new_secret() -> Result<String, String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|e| format!("the system gives no random bytes: {e}"))?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The bytes of a secret.
///
/// Errors: it is not written as secrets are, or too short to be one.
pub fn key(secret: &str) -> Result<Vec<u8>, String> {
    let wrong = "a secret is `whsec_` and the base64 of 24 to 64 bytes";
    let text = secret.strip_prefix(PREFIX).ok_or(wrong)?;
    let bytes = STANDARD.decode(text).map_err(|_| wrong)?;
    if (24..=64).contains(&bytes.len()) { Ok(bytes) } else { Err(wrong.to_owned()) }
}

/// The signature of a message: of its id, the time of sending in seconds since 1970, and its body, so
/// that none of them can be changed or sent again later.
pub fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)?).map_err(|e| e.to_string())?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example of the specification's reference libraries.
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn secrets_are_long_and_each_is_new() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(key(&one).unwrap().len(), BYTES);
        for wrong in ["", "whsec_", "whsec_!", "secret", "whsec_c2hvcnQ="] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
