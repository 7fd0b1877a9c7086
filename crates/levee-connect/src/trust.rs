//! Whose certificates are believed: those of the system's authorities, and of others that the
//! configuration names, such as a vendor's own.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Authorities besides the system's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Authorities(Arc<[CertificateDer<'static>]>);

impl Authorities {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|error| format!("is no PEM: {error}"))?;
        if certificates.is_empty() {
            return Err("has no certificate".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|error| format!("has a certificate that is none: {error}"))?;
        }
        Ok(Self(certificates.into()))
    }

    /// A client that believes these and the system's.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "a certificate authority of the system cannot be read");
        }
        roots.add_parsable_certificates(system.certs.into_iter().chain(self.0.iter().cloned()));
        if roots.is_empty() {
            tracing::warn!("no certificate authority is known: https reaches nobody");
        }
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;
    use std::{fs, net};

    use bytes::Bytes;
    use hyper::Method;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::http::Http;
    use crate::reach::Reach;

    /// Runs openssl, which the checks install.
    #[track_caller]
    fn openssl(folder: &Path, arguments: &str) {
        let arguments = arguments.split_whitespace();
        let output = Command::new("openssl").args(arguments).current_dir(folder).output();
        let output = output.expect("openssl is installed by the checks");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes `{name}.pem` and `{name}.key` of an authority.
    fn authority(folder: &Path, name: &str) {
        let curve = "ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(
            folder,
            &format!(
                "req -x509 -newkey {curve} -keyout {name}.key -out {name}.pem -subj /CN={name}"
            ),
        );
    }

    /// Makes `server.pem` and `server.key`, signed by an authority for a host and so many days.
    fn certificate(folder: &Path, authority: &str, host: &str, days: i32) {
        let curve = "ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        let names = format!("-subj /CN={host} -addext subjectAltName=DNS:{host}");
        openssl(folder, &format!("req -newkey {curve} -keyout server.key -out server.csr {names}"));
        openssl(
            folder,
            &format!(
                "x509 -req -in server.csr -CA {authority}.pem -CAkey {authority}.key \
                 -CAcreateserial -copy_extensions copy -days {days} -out server.pem"
            ),
        );
    }

    /// Says `hi` to whoever believes in its certificate, for as long as the event loop lives.
    fn serve(folder: &Path) -> net::SocketAddr {
        let chain = CertificateDer::pem_file_iter(folder.join("server.pem")).expect("a file");
        let chain = chain.collect::<Result<_, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("they fit")));
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        listener.set_nonblocking(true).expect("a socket");
        let listener = TcpListener::from_std(listener).expect("an event loop");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
                let _ = stream.read(&mut [0; 1_024]).await;
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        address
    }

    /// How a call ends: what came, or what the trouble says in part.
    fn check(folder: &Path, believed: &[&str], expected: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let said = runtime.expect("an event loop").block_on(async {
            let port = serve(folder).port();
            let pems = believed.iter().map(|name| folder.join(name));
            let pems: Vec<u8> = pems.flat_map(|file| fs::read(file).expect("made")).collect();
            let mut reach = Reach::allowing(["127.0.0.0/8"]).expect("a range");
            if !pems.is_empty() {
                reach = reach.believing(&pems).expect("authorities");
            }
            let http = Http::new(Duration::from_secs(5), reach);
            let url = format!("https://localhost:{port}/");
            match http.send(Method::GET, &url, &[], Bytes::new()).await {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(trouble) => trouble.to_string(),
            }
        });
        assert!(said.contains(expected), "{believed:?} {expected}: {said}");
    }

    #[test]
    fn only_certificates_of_believed_authorities_for_this_host_and_time_are_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        authority(folder, "ours");
        authority(folder, "other");
        certificate(folder, "ours", "localhost", 2);
        check(folder, &["ours.pem"], "hi");
        check(folder, &["other.pem", "ours.pem"], "hi");
        check(folder, &[], "UnknownIssuer");
        check(folder, &["other.pem"], "UnknownIssuer");
        certificate(folder, "ours", "elsewhere", 2);
        check(folder, &["ours.pem"], "certificate not valid for name \"localhost\"");
        certificate(folder, "ours", "localhost", -1);
        check(folder, &["ours.pem"], "invalid peer certificate: Expired");
    }

    #[test]
    fn what_is_no_authority_is_named() {
        for (pem, expected) in [
            ("", "has no certificate"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "has no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is no PEM: "),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "has a certificate that is none: ",
            ),
        ] {
            let error = Authorities::from_pem(pem.as_bytes()).expect_err(expected);
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
