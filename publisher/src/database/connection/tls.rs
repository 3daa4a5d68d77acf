//! TLS to the server: what `sslmode`, `sslrootcert`, `sslcert` and `sslkey` say.
//!
//! | `sslmode` | what is checked |
//! | --- | --- |
//! | `disable`, `allow`, `prefer` | nothing; the connection is not encrypted |
//! | `verify-ca` | that an authority we trust has signed the certificate, for whatever name |
//! | `require`, `verify-full` | that, and that the certificate is for this name |
//!
//! (libpq's `require` checks nothing, and lets anybody between the two read and write.)
//! The authorities are those in the file of `sslrootcert`; without one, those of the system
//! or of the file that `SSL_CERT_FILE` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::super::error::DatabaseError;

/// Whether the certificate must be for the name that the URL gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Checked,
    Any,
}

/// What the URL says of TLS, where it asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsOptions {
    pub(super) names: Names,
    /// `sslrootcert`; `None` for the system's.
    pub(super) authorities: Option<PathBuf>,
    /// `sslcert` and `sslkey`.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

/// What makes connections by TLS.
pub(super) fn connector(options: &TlsOptions) -> Result<MakeRustlsConnect, DatabaseError> {
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(match &options.authorities {
        Some(file) => roots_in(file)?,
        None => roots_of_system()?,
    });
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .map_err(|error| DatabaseError::Certificates(std::io::Error::other(error)))?;
    let verifier: Arc<dyn ServerCertVerifier> = match options.names {
        Names::Checked => verifier,
        Names::Any => Arc::new(AnyName(verifier)),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &options.own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates_in(certificate)?;
            let own = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
            let config = builder.with_client_auth_cert(chain, own);
            config.map_err(unusable(key))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots_of_system() -> Result<RootCertStore, DatabaseError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let text: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        let error = std::io::Error::other(text.join("; "));
        return Err(DatabaseError::Certificates(error));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    Ok(roots)
}

fn roots_in(file: &Path) -> Result<RootCertStore, DatabaseError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(file)? {
        roots.add(certificate).map_err(unusable(file))?;
    }
    Ok(roots)
}

fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, DatabaseError> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(unusable(file))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(unusable(file))?;
    if certificates.is_empty() {
        return Err(unusable(file)("it holds no certificate"));
    }
    Ok(certificates)
}

fn unusable<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    path: &Path,
) -> impl FnOnce(E) -> DatabaseError + use<E> {
    let path = path.to_owned();
    move |source| DatabaseError::Certificate {
        path,
        source: std::io::Error::other(source),
    }
}

/// Passes over one thing: that the certificate is for another name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is looked at last, when all else is in order.
        let verified = self
            .0
            .verify_server_cert(certificate, chain, name, ocsp, now);
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
