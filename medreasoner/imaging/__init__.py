"""What a file is as an image: any format a user may give becomes an RGB image of 8 bits a channel."""
