//! A collector of traces in memory: OTLP over gRPC on a free port, as an OpenTelemetry Collector has it.

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// The handle of a collector. It stops when dropped.
pub struct Collector {
    address: SocketAddr,
    spans: Kept,
    _runtime: Runtime,
}

/// Spans with the name of the service that sent them.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = attributes.into_iter().find(|pair| pair.key == "service.name");
            let service = format!("{:?}", service.and_then(|pair| pair.value));
            for scope in resource.scope_spans {
                let own = scope.spans.into_iter().map(|span| (service.clone(), span));
                self.0.lock().unwrap().extend(own);
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, spans) = (listener.local_addr().unwrap(), Kept::default());
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(spans.clone()));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, spans, _runtime: runtime }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has come, all of it from quire.
    pub fn spans(&self) -> Vec<Span> {
        let kept = self.spans.0.lock().unwrap();
        assert!(kept.iter().all(|(service, _)| service.contains("quire")), "{kept:?}");
        kept.iter().map(|(_, span)| span.clone()).collect()
    }
}

/// An id in hexadecimal digits, as headers have it.
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
