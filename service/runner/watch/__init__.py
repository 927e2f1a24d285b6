"""What a training shows of itself: pictures, progress, and the updates that wait for the record."""
