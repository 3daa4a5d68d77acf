//! TLS, and a certificate that can be renewed while the server runs.

use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::socket::stream::Stream;

/// The files of a certificate, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate is not used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM, or holds something else.
    #[error("{} is not usable", path.display())]
    Pem {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key are not usable")]
    Pair(#[source] rustls::Error),
}

/// The certificate in use.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
    /// The files' bytes behind `config`.
    loaded: Mutex<[Vec<u8>; 2]>,
}

impl Tls {
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let bytes = read(&files)?;
        let config = ArcSwap::new(Arc::new(config(&files, &bytes)?));
        Ok(Self {
            files,
            config,
            loaded: Mutex::new(bytes),
        })
    }

    /// Takes the files' new content, if there is any and it is whole.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let bytes = read(&self.files)?;
        let mut loaded = self.loaded.lock();
        if *loaded == bytes {
            return Ok(false);
        }
        self.config.store(Arc::new(config(&self.files, &bytes)?));
        *loaded = bytes;
        Ok(true)
    }

    /// The handshake, by the certificate of this moment.
    pub(crate) async fn accept<S: Stream>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        acceptor.accept(stream).await
    }
}

fn read(files: &TlsFiles) -> Result<[Vec<u8>; 2], TlsError> {
    let read = |path: &PathBuf| {
        snapshot_store::read(path).map_err(|source| TlsError::Read {
            path: path.clone(),
            source,
        })
    };
    Ok([read(&files.certificate)?, read(&files.key)?])
}

fn config(files: &TlsFiles, [certificate, key]: &[Vec<u8>; 2]) -> Result<ServerConfig, TlsError> {
    let pem_error = |path: &PathBuf| {
        let path = path.clone();
        |source| TlsError::Pem { path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(pem_error(&files.certificate))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(pem_error(&files.key))?;

    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Pair)?;
    Ok(config)
}
