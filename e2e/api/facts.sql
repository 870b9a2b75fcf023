-- An organization with two accounts, and what ran there.
insert into enrolment (cloud_account_id, org_id, account_number, uid, namespace, name, created_at, enabled_at, role_arn) values
    ('210987654321', '11111111', '7001', gen_random_uuid(), 'customers', 'acme', '2026-01-01', '2026-01-01', 'arn:aws:iam::210987654321:role/metering'),
    ('310987654321', '11111111', '7001', gen_random_uuid(), 'customers', 'acme-2', '2026-01-01', '2026-01-01', 'arn:aws:iam::310987654321:role/metering');
insert into image (image_id, region, described_at, name, architecture, inspection, rhel_found, distribution, facts) values
    ('ami-1', 'us-east-1', '2026-01-01', 'rhel', 'x86_64', 'inspected', true, 'rhel',
     '{"rhel_version": "9.4", "rhel_release_files_found": true, "syspurpose": {"role": "server", "usage": "Production"}, "drives": {}}'),
    ('ami-2', 'us-east-1', '2026-01-01', 'debian', 'arm64', 'inspected', false, 'debian', '{"rhel_version": null, "syspurpose": null}'),
    ('ami-3', 'us-east-1', null, null, null, 'pending', null, null, null);
insert into instance (enrolment_id, instance_id, region, image)
    select enrolment.id, 'i-' || enrolment.id || '-' || n, 'us-east-1', 1 + n % 3 from enrolment, generate_series(1, 12) as n;
insert into instance_event (instance, event_id, kind, occurred_at, instance_type)
    select id, 'on', 'power_on', timestamptz '2026-02-01' + id * interval '1 hour', 't3.micro' from instance;
insert into run (instance, started_at, ended_at, instance_type)
    select id, timestamptz '2026-02-01' + id * interval '1 hour',
           case when id % 2 = 0 then timestamptz '2026-03-01' + id * interval '1 hour' end, 't3.micro' from instance;
