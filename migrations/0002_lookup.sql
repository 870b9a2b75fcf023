-- Images that may still need an inspection: queried every few seconds.
create index image_pending on image (id) where inspection = 'pending';
