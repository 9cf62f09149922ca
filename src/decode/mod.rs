//! Bytes → pages: text, or an image where there is none. Runs in a sandboxed child process.
