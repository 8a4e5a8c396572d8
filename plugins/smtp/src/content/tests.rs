use super::*;

#[test]
fn dots_and_chunks() {
    let mut dots = Content::text(Framing::Dots(DotWriter::new()), Filter::None);
    let mut wire = dots.write(b"a\n.".to_vec()).unwrap();
    wire.extend(dots.write(b"b".to_vec()).unwrap());
    wire.extend(dots.finish().unwrap());
    assert_eq!(wire, b"a\r\n..b\r\n");
    assert_eq!(dots.end(), b".\r\n");
    let mut chunks = Content::text(Framing::Chunks(Vec::new()), Filter::None);
    let mut wire = chunks.write(b"a\n.\r".to_vec()).unwrap();
    wire.extend(chunks.write(b"\n".to_vec()).unwrap());
    wire.extend(chunks.finish().unwrap());
    assert_eq!(wire, b"BDAT 2\r\na\rBDAT 2\r\n\n.");
    assert_eq!((chunks.take_chunks(), chunks.take_chunks()), (2, 0));
    assert_eq!(chunks.end(), b"BDAT 2 LAST\r\n\r\n");
    let mut binary = Content::binary();
    assert_eq!(binary.write(b"\r\0\n".to_vec()).unwrap(), b"BDAT 1\r\n\r");
    assert!(binary.finish().unwrap().is_empty());
    assert_eq!(binary.end(), b"BDAT 2 LAST\r\n\0\n");
    assert_eq!(Content::binary().end(), b"BDAT 0 LAST\r\n");
}
