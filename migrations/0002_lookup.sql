-- The images that may still need an inspection are asked for every few seconds.
create index image_pending on image (id) where inspection = 'pending';
