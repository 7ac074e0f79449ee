//! Encrypted connections: a certificate and its key, which can be replaced while connections are
//! served. Floor 4.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

const CERT: &str = "server.tls_cert";
const KEY: &str = "server.tls_key";

/// Why connections cannot be encrypted. Names the setting that is to blame.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{setting}: {file} cannot be read: {source}")]
    Unreadable { setting: &'static str, file: String, source: std::io::Error },
    #[error("{setting}: {file} holds no {what} in PEM form")]
    NotPem { setting: &'static str, file: String, what: &'static str },
    #[error("server.tls_cert, server.tls_key: {cert} and {key} cannot be used together: {source}")]
    NoPair { cert: String, key: String, source: rustls::Error },
}

/// What connections are encrypted with.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<Current>,
}

struct Current {
    config: Arc<ServerConfig>,
    /// Both files as they were read.
    bytes: [Vec<u8>; 2],
}

impl Tls {
    /// Reads the certificate with its chain, and its key.
    ///
    /// # Errors
    /// [`TlsError`] when a file is missing or not what it should be, or the two do not belong
    /// together.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current })
    }

    /// Reads both files again; connections accepted from now on get what they hold. True when that
    /// is something else than before.
    ///
    /// # Errors
    /// As [`Tls::open`]; what was used before stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let read = read(&self.cert, &self.key)?;
        let changed = read.bytes != self.current.load().bytes;
        if changed {
            self.current.store(Arc::new(read));
        }
        Ok(changed)
    }

    /// The files that are read.
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }
}

/// The certificates of a file, the service's own first.
///
/// # Errors
/// As [`Tls::open`].
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    chain_of(file, &bytes_of(CERT, file)?)
}

fn chain_of(file: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| TlsError::NotPem {
        setting: CERT,
        file: file.display().to_string(),
        what: "certificate",
    })
}

fn read(cert: &Path, key: &Path) -> Result<Current, TlsError> {
    let bytes = [bytes_of(CERT, cert)?, bytes_of(KEY, key)?];
    let chain = chain_of(cert, &bytes[0])?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes[1]).map_err(|_| TlsError::NotPem {
        setting: KEY,
        file: key.display().to_string(),
        what: "private key",
    })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let mut config = config.map_err(|source| TlsError::NoPair {
        cert: cert.display().to_string(),
        key: key.display().to_string(),
        source,
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Current { config: Arc::new(config), bytes })
}

fn bytes_of(setting: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Unreadable {
        setting,
        file: file.display().to_string(),
        source,
    })
}
