use super::fake_server::FakeServer;
use super::*;
use std::os::unix::fs::symlink;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn config() -> ConsumeConfig {
    let mut config = crate::config::load(&crate::config::Sources::default()).unwrap().config.consume;
    config.uri_timeout_s = 1;
    config
}

/// For servers of the test, which are on loopback.
fn open() -> Fetcher {
    Fetcher::new(&ConsumeConfig { uri_private: true, ..config() }, HashMap::new())
}

fn rejected(result: Result<Vec<u8>>, class: Class, words: &[&str]) {
    let Err(Error::Reject(failure)) = result else { panic!("not rejected: {result:?}") };
    assert_eq!((failure.stage, failure.class), (Stage::Consume, class), "{failure}");
    words.iter().for_each(|word| assert!(failure.to_string().contains(word), "`{word}` not in {failure}"));
}

fn retried(result: Result<Vec<u8>>, words: &[&str]) {
    let Err(Error::Retry(failure)) = result else { panic!("not retried: {result:?}") };
    assert_eq!((failure.stage, failure.class), (Stage::Consume, Class::Unreachable), "{failure}");
    words.iter().for_each(|word| assert!(failure.to_string().contains(word), "`{word}` not in {failure}"));
}

#[test]
fn what_a_server_has_is_fetched_and_redirects_are_followed() {
    let server = FakeServer::start(|path, answer| match path {
        "/moved" => answer.head("302 Found", "Location: /there\r\nContent-Length: 0\r\n"),
        "/empty" => answer.whole("200 OK", b""),
        _ => answer.whole("200 OK", b"hello"),
    });
    for path in ["/there", "/moved", "/there?signature=x"] {
        assert_eq!(open().fetch_at_most(&server.uri(path), 5).unwrap(), b"hello", "{path}");
    }
    assert_eq!(open().fetch_at_most(&server.uri("/empty"), 5).unwrap(), b"");
    rejected(
        open().fetch_at_most(&server.uri("/there"), 4),
        Class::TooLarge,
        &["5 bytes", "consume.max_document_mb"],
    );
}

#[test]
fn a_body_without_end_is_left_as_soon_as_it_is_too_long() {
    let server = FakeServer::start(|_, answer| {
        answer.head("200 OK", "");
        let part = [b'x'; 65536];
        while answer.part(&part) {}
    });
    let fetched = open().fetch_at_most(&server.uri("/"), 1 << 20);
    rejected(fetched, Class::TooLarge, &["more than the 1048576 bytes"]);
    std::thread::sleep(Duration::from_millis(100));
    // What the sockets' buffers took counts too; it is bounded.
    assert!(server.written.load(Ordering::SeqCst) < 20 << 20);
}

#[test]
fn redirects_end() {
    let server = FakeServer::start(|_, a| a.head("301 Moved", "Location: /again\r\nContent-Length: 0\r\n"));
    rejected(
        open().fetch_at_most(&server.uri("/"), 9),
        Class::Unreachable,
        &["redirected", "consume.uri_redirects"],
    );
    assert_eq!(server.requests.lock().unwrap().len(), 6, "the first and five redirects");
    let none =
        Fetcher::new(&ConsumeConfig { uri_private: true, uri_redirects: 0, ..config() }, HashMap::new());
    rejected(none.fetch_at_most(&server.uri("/"), 9), Class::Unreachable, &["redirected"]);
}

#[test]
fn this_machine_and_private_networks_are_left_alone() {
    let server = FakeServer::start(|_, answer| answer.whole("200 OK", b"secret"));
    let fetcher = Fetcher::new(&config(), HashMap::new());
    let port = server.address.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let fetched = fetcher.fetch_at_most(&format!("http://{host}:{port}/"), 9);
        rejected(fetched, Class::Unreachable, &["not public", "consume.uri_private"]);
    }
    for host in ["169.254.169.254", "10.0.0.1", "192.168.1.1"] {
        rejected(
            fetcher.fetch_at_most(&format!("https://{host}/latest"), 9),
            Class::Unreachable,
            &["not public"],
        );
    }
    assert!(server.requests.lock().unwrap().is_empty());
}

/// The resolver is asked for every hop: the first one is let through here, the second is not.
#[test]
fn a_redirect_into_a_private_network_is_not_followed() {
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
    #[derive(Debug)]
    struct FirstHop(std::net::SocketAddr);
    impl Resolver for FirstHop {
        fn resolve(
            &self,
            uri: &ureq::http::Uri,
            config: &ureq::config::Config,
            timeout: ureq::unversioned::transport::NextTimeout,
        ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
            if uri.host() == Some("public.example") {
                let mut found = self.empty();
                found.push(self.0);
                return Ok(found);
            }
            addresses::PublicOnly { private_too: false }.resolve(uri, config, timeout)
        }
    }
    let secret = FakeServer::start(|_, answer| answer.whole("200 OK", b"secret"));
    let location = format!("Location: {}\r\nContent-Length: 0\r\n", secret.uri("/"));
    let server = FakeServer::start(move |_, answer| answer.head("302 Found", &location));
    let web = web::Web::resolving(&config(), FirstHop(server.address.parse().unwrap()));
    let url = Url::parse("http://public.example/").unwrap();
    let fetched = web.fetch(&Wanted { shown: shown(&url), url, limit: 9 });
    rejected(fetched, Class::Unreachable, &["127.0.0.1", "not public"]);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    assert!(secret.requests.lock().unwrap().is_empty());
}

#[test]
fn what_a_server_says_decides_what_happens_next() {
    let server = FakeServer::start(|path, answer| answer.whole(&format!("{} Word", &path[1..]), b""));
    for status in ["400", "401", "403", "404", "410"] {
        rejected(open().fetch_at_most(&server.uri(&format!("/{status}")), 9), Class::Unreachable, &[status]);
    }
    for status in ["408", "429", "500", "502", "503"] {
        retried(open().fetch_at_most(&server.uri(&format!("/{status}")), 9), &[status]);
    }
}

#[test]
fn who_is_away_or_slow_is_tried_again() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    retried(open().fetch_at_most(&format!("http://{gone}/"), 9), &["consume.uri_timeout_s"]);
    retried(open().fetch_at_most("http://no-such-host.invalid/", 9), &["no-such-host.invalid"]);
    let slow = FakeServer::start(|path, answer| {
        if path == "/body" {
            answer.head("200 OK", "Content-Length: 9\r\n");
            answer.part(b"some");
        }
        std::thread::sleep(Duration::from_secs(20));
    });
    for path in ["/head", "/body"] {
        let began = Instant::now();
        retried(open().fetch_at_most(&slow.uri(path), 9), &["timeout"]);
        assert!(began.elapsed() < Duration::from_secs(10), "{path}");
    }
    let torn = FakeServer::start(|_, answer| {
        answer.head("200 OK", "Content-Length: 9\r\n");
        answer.part(b"some");
    });
    retried(open().fetch_at_most(&torn.uri("/"), 9), &[]);
}

#[test]
fn what_is_no_uri_is_malformed_and_secrets_are_not_repeated() {
    for bad in [
        "",
        "letter.pdf",
        "http://",
        "ftp://example.org/x",
        "s3:///x",
        "s3://bucket",
        "data:,x",
        "az://a%20b/c",
    ] {
        rejected(open().fetch_at_most(bad, 9), Class::Malformed, &[]);
    }
    let server = FakeServer::start(|_, answer| answer.whole("404 Not Found", b""));
    let uri = server.uri("/x?X-Amz-Signature=hidden#hidden").replace("http://", "http://user:hidden@");
    let error = open().fetch_at_most(&uri, 9).unwrap_err().to_string();
    assert!(!error.contains("hidden") && !error.contains("user"), "{error}");
}

#[test]
fn files_are_read_below_their_folder_only() {
    let dir = tempfile::tempdir().unwrap();
    let (below, secret) = (dir.path().join("open"), dir.path().join("secret"));
    std::fs::create_dir(&below).unwrap();
    std::fs::write(&secret, "secret").unwrap();
    std::fs::write(below.join("a b.txt"), "hello").unwrap();
    symlink(&secret, below.join("link")).unwrap();
    symlink(below.join("a b.txt"), below.join("inner")).unwrap();
    symlink(dir.path(), below.join("up")).unwrap();
    let pipe = std::ffi::CString::new(below.join("pipe").to_str().unwrap()).unwrap();
    // SAFETY: a plain system call over a path of this test.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let fetcher = Fetcher::new(&ConsumeConfig { uri_files: below.clone(), ..config() }, HashMap::new());
    let uri = |name: &str| format!("file://{}/{name}", below.display());
    assert_eq!(fetcher.fetch_at_most(&uri("a%20b.txt"), 5).unwrap(), b"hello");
    assert_eq!(fetcher.fetch_at_most(&uri("inner"), 5).unwrap(), b"hello");
    rejected(fetcher.fetch_at_most(&uri("inner"), 4), Class::TooLarge, &["5 bytes"]);
    for outside in ["link", "up/secret", "../secret", "%2e%2e/secret"] {
        rejected(fetcher.fetch_at_most(&uri(outside), 99), Class::Unreachable, &["consume.uri_files"]);
    }
    rejected(fetcher.fetch_at_most("file:///etc/passwd", 9999), Class::Unreachable, &["outside"]);
    rejected(fetcher.fetch_at_most(&uri("missing"), 9), Class::Unreachable, &["No such file"]);
    rejected(fetcher.fetch_at_most(&uri(""), 9), Class::Malformed, &["no plain file"]);
    rejected(fetcher.fetch_at_most(&uri("pipe"), 9), Class::Malformed, &["no plain file"]);
    rejected(fetcher.fetch_at_most("file://elsewhere/etc/passwd", 9), Class::Malformed, &["this machine"]);
    rejected(
        open().fetch_at_most(&uri("inner"), 9),
        Class::Unreachable,
        &["not fetched", "consume.uri_files"],
    );
}

/// An object store on loopback; `folder` is how its paths begin.
fn bucket(folder: &'static str) -> FakeServer {
    // Google's library writes the slashes in names in another way.
    FakeServer::start(move |path, answer| match path.replace("%2F", "/").strip_prefix(folder) {
        Some("/folder/a%20b.pdf") => {
            answer.head(
                "200 OK",
                "Content-Length: 6\r\nETag: \"1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            );
            answer.part(b"object");
        }
        Some("/forbidden") => answer.whole("403 Forbidden", b"<Error/>"),
        Some("/broken") => answer.whole("503 Slow Down", b"<Error/>"),
        _ => answer.whole("404 Not Found", b"<Error/>"),
    })
}

/// What every object store has to do with its credentials in the environment.
fn reads_objects(scheme: &str, environment: &[(&str, &str)], variables: &str) {
    let others = [("AWS_UNHEARD_OF", "x"), ("PATH", "/bin")];
    let all = environment.iter().chain(&others);
    let fetcher = Fetcher::new(&config(), all.map(|(name, v)| ((*name).into(), (*v).into())).collect());
    let fetch = |name: &str, most| fetcher.fetch_at_most(&format!("{scheme}://bucket/{name}"), most);
    assert_eq!(fetch("folder/a%20b.pdf", 6).unwrap(), b"object");
    rejected(fetch("folder/a%20b.pdf", 5), Class::TooLarge, &["6 bytes"]);
    rejected(fetch("missing", 9), Class::Unreachable, &["no such object"]);
    rejected(fetch("forbidden", 9), Class::Unreachable, &[variables]);
    retried(fetch("broken", 9), &[]);
}

#[test]
fn objects_are_read_as_the_environment_says() {
    let server = bucket("/bucket");
    let address = format!("http://{}", server.address);
    let environment = [
        ("AWS_ENDPOINT", address.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_REGION", "eu-central-1"),
    ];
    reads_objects("s3", &environment, "AWS_");
    let asked = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("credential=id/") && asked.contains("eu-central-1"), "{asked}");
}

#[test]
fn so_are_those_of_google_and_azure() {
    let server = bucket("/bucket");
    let account = format!(
        r#"{{"private_key": "key", "private_key_id": "id", "client_email": "a@b.example", "disable_oauth": true,
            "gcs_base_url": "http://{}"}}"#,
        server.address
    );
    let environment = [("GOOGLE_SERVICE_ACCOUNT_KEY", account.as_str()), ("GOOGLE_ALLOW_HTTP", "true")];
    reads_objects("gs", &environment, "GOOGLE_");

    let server = bucket("/bucket");
    let address = format!("http://{}", server.address);
    let environment = [
        ("AZURE_STORAGE_ENDPOINT", address.as_str()),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "ardley"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
    ];
    reads_objects("az", &environment, "AZURE_");
    let asked = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(asked.contains("authorization: sharedkey ardley:"), "{asked}");
}
