//! Messages as mails: to whom (`address`), what they say (`message`), and how a mail server gets
//! them (`post`).

mod address;
mod message;
mod post;
#[cfg(test)]
mod tests;

pub(super) use address::{addresses, is_mail};
pub use post::Post;
