//! The smallest server: it answers every request.
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let address = std::env::var("LEPTOS_SITE_ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    for stream in std::net::TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        let _ = stream.read(&mut [0; 4096])?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_database_for_tests_is_named() {
        assert!(
            std::env::var("TEST_DATABASE_URL")
                .unwrap()
                .starts_with("postgres://realtime:")
        );
    }
}
