"""What client and server both speak: media types, multipart, DICOM JSON, store answers."""
