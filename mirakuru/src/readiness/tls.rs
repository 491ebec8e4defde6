//! The certificates of an `https` service that the check accepts.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::sys::{self, OtherUser};

/// The certificates that the check accepts.
#[derive(Clone, Debug, Default)]
pub(super) enum Trust {
    /// The certificates that the system trusts.
    #[default]
    System,
    /// The certificates in the file with this name. The name may contain placeholders.
    File(String),
    /// Any certificate.
    Any,
}

impl Trust {
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::System | Self::Any => None,
        }
    }
}

/// A verifier that accepts the listed certificates, or every certificate if the list is `None`. It ignores the names,
/// the times and the mark of an authority in a certificate.
#[derive(Debug)]
struct Accepted(Option<Vec<CertificateDer<'static>>>);

/// Returns the settings of a client that accepts the certificates in this file, or any certificate without a file.
/// The service may write the file, so each attempt reads it again.
pub(super) fn settings(
    file: Option<(&Path, Option<OtherUser<'_>>)>,
) -> Result<ClientConfig, String> {
    let found = file.map(|(file, user)| certificates(file, user));
    let accepted = Accepted(found.transpose()?);
    let settings = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot create a TLS client: {error}"))?;
    let settings = settings
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(accepted));
    Ok(settings.with_no_client_auth())
}

/// How many bytes of a file are read at most.
const MOST: u64 = 16 << 20;

/// Returns the certificates in a file: a text (PEM), or the bytes of one certificate (DER).
fn certificates(
    file: &Path,
    user: Option<OtherUser<'_>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |what: &str| format!("the certificate {}: {what}", file.display());
    let bytes = sys::open_regular_file(file, user).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    let bytes = bytes.map_err(|error| named(&error.to_string()))?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    // A DER certificate begins with the tag of a sequence.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    Err(named("the file contains no certificate"))
}

impl ServerCertVerifier for Accepted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let accepted = self.0.as_ref();
        if accepted.is_none_or(|accepted| accepted.contains(certificate)) {
            Ok(ServerCertVerified::assertion())
        } else {
            let other = "the service's certificate is not the one in the file";
            Err(Error::General(other.to_owned()))
        }
    }

    // A signature would show that the service has the key of the certificate. A readiness check sends nothing secret,
    // so it accepts any signature. This also accepts certificates of old versions.
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
