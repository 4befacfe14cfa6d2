"""What has happened, as records, and the proof from them that nothing started twice."""
