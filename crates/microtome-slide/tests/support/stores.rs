//! The stores that the conformance suite runs over: files, the blob services as a scripted server plays them, and, where
//! their endpoints are given by the environment, a real Azurite and a real S3 server.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use microtome_slide::{Error, Limits, Slide, SlideUrl, Stores};
use object_store::{ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, path::Path};
use tempfile::TempDir;

use super::server::Server;

/// Names and values of environment variables.
type Variables = [(&'static str, &'static str)];

/// Where the endpoints of real servers are named; each has a container or bucket `slides`.
const AZURITE: &str = "MICROTOME_TEST_AZURITE";
const S3: &str = "MICROTOME_TEST_S3";

pub struct Store {
    pub name: &'static str,
    pub stores: Stores,
    /// What comes before the key in a URL.
    root: String,
    backend: Backend,
}

enum Backend {
    Files(TempDir),
    Scripted(Server),
    /// A writer, and the folder of one test: tests that run at once share the server.
    Real(Arc<dyn ObjectStore>, String),
}

impl Store {
    /// Those that any fault can be asked of.
    pub async fn scripted() -> Vec<Self> {
        let key = "a2V5a2V5";
        let services: [(&'static str, &str, Option<&str>, &Variables); 4] = [
            (
                "scripted az",
                "az://slides/",
                Some("AZURE_STORAGE_ENDPOINT"),
                &[("AZURE_STORAGE_ACCOUNT_NAME", "account"), ("AZURE_STORAGE_ACCOUNT_KEY", key)],
            ),
            (
                "scripted s3",
                "s3://slides/",
                Some("AWS_ENDPOINT_URL"),
                &[("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", key)],
            ),
            ("scripted gs", "gs://slides/", Some("STORAGE_EMULATOR_HOST"), &[]),
            ("scripted http", "", None, &[]),
        ];
        let mut stores = Vec::new();
        for (name, root, endpoint, variables) in services {
            let server = Server::start().await;
            let variables = variables.iter().copied().chain(endpoint.map(|endpoint| (endpoint, server.url.as_str())));
            let root = if root.is_empty() { format!("{}/data/", server.url) } else { root.to_owned() };
            let stores_of = with_variables(variables);
            stores.push(Self { name, stores: stores_of, root, backend: Backend::Scripted(server) });
        }
        stores
    }

    /// All that there are.
    pub async fn all() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let root = format!("{}/", folder.path().display());
        let files = Self { name: "files", stores: Stores::from_env(), root, backend: Backend::Files(folder) };
        let mut stores = Self::scripted().await;
        stores.extend([Some(files), Self::azurite(), Self::s3()].into_iter().flatten());
        stores
    }

    fn azurite() -> Option<Self> {
        let endpoint = std::env::var(AZURITE).ok()?;
        let [account, key] = ["NAME", "KEY"].map(|what| std::env::var(format!("{AZURITE}_{what}")).unwrap());
        let stores = with_variables([
            ("AZURE_STORAGE_ENDPOINT", endpoint.as_str()),
            ("AZURE_STORAGE_ACCOUNT_NAME", &account),
            ("AZURE_STORAGE_ACCOUNT_KEY", &key),
        ]);
        use_ring();
        let writer = MicrosoftAzureBuilder::new().with_endpoint(endpoint).with_account(account).with_access_key(key);
        let writer = writer.with_allow_http(true).with_container_name("slides").build().unwrap();
        let folder = fresh_folder();
        Some(Self {
            name: "azurite",
            stores,
            root: format!("az://slides/{folder}/"),
            backend: Backend::Real(Arc::new(writer), folder),
        })
    }

    fn s3() -> Option<Self> {
        let endpoint = std::env::var(S3).ok()?;
        let (id, key) = ("test", "test");
        let stores = with_variables([
            ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", key),
        ]);
        use_ring();
        let writer = AmazonS3Builder::new().with_endpoint(endpoint).with_allow_http(true).with_bucket_name("slides");
        let writer = writer.with_access_key_id(id).with_secret_access_key(key).build().unwrap();
        let folder = fresh_folder();
        Some(Self {
            name: "s3 server",
            stores,
            root: format!("s3://slides/{folder}/"),
            backend: Backend::Real(Arc::new(writer), folder),
        })
    }

    /// Those in which objects can be listed and written in parts.
    pub async fn whole() -> Vec<Self> {
        let whole = |store: &Self| !matches!(store.backend, Backend::Scripted(_));
        Self::all().await.into_iter().filter(whole).collect()
    }

    /// Those of `stores` that take writes: web servers do not, and Google's client wants a token for them.
    pub fn writable(stores: Vec<Self>) -> Vec<Self> {
        stores.into_iter().filter(|store| !["scripted http", "scripted gs"].contains(&store.name)).collect()
    }

    /// The folder of a key.
    pub fn prefix(&self, key: &str) -> SlideUrl {
        SlideUrl::parse_prefix(&format!("{}{key}", self.root)).unwrap()
    }

    /// The URL of a key; keys here need no encoding.
    pub fn url(&self, key: &str) -> SlideUrl {
        SlideUrl::parse(&format!("{}{key}", self.root)).unwrap()
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) {
        match &self.backend {
            Backend::Files(folder) => {
                // A new file, so that it is another inode, as its ETag says.
                let (path, fresh) = (folder.path().join(key), folder.path().join("fresh"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&fresh, bytes).unwrap();
                std::fs::rename(fresh, path).unwrap();
            }
            Backend::Scripted(server) => server.put(key, bytes),
            Backend::Real(store, folder) => {
                store.put(&Path::parse(format!("{folder}/{key}")).unwrap(), bytes.into()).await.unwrap();
            }
        }
    }

    pub async fn open(&self, key: &str) -> Result<Slide, Error> {
        self.open_pinned(key, None).await
    }

    pub async fn open_pinned(&self, key: &str, etag: Option<&str>) -> Result<Slide, Error> {
        Slide::open_pinned(&self.stores, &self.url(key), &Limits::default(), etag).await
    }

    /// The server of a scripted store.
    pub fn server(&self) -> &Server {
        match &self.backend {
            Backend::Scripted(server) => server,
            _ => panic!("{} is not scripted", self.name),
        }
    }
}

fn fresh_folder() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn with_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Stores {
    Stores::with_variables(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// The writers' TLS provider: without one their HTTP client cannot be built, even where it only speaks http.
fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
