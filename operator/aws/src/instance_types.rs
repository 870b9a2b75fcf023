//! How large EC2's instance types are.

use aws_sdk_ec2::types::InstanceTypeInfo;
use metering::described::InstanceType;

use super::Aws;
use super::inventory::any_of;
use cloudigrade_cloud::{CloudError, InstanceTypes};

/// Most values EC2 takes in one filter is 200; of instance types it puts at most 100 on a page.
const AT_ONCE: usize = 100;

impl InstanceTypes for Aws {
    async fn instance_types(
        &self,
        region: &str,
        names: &[String],
    ) -> Result<Vec<InstanceType>, CloudError> {
        let ec2 = self.ec2(region);
        let mut types = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let mut next = None;
            loop {
                let request = ec2
                    .describe_instance_types()
                    .filters(any_of("instance-type", names))
                    .set_next_token(next);
                let page = self
                    .call("ec2", "DescribeInstanceTypes", request.send())
                    .await?;
                let described = page.instance_types.unwrap_or_default();
                types.extend(described.into_iter().filter_map(instance_type));
                next = page.next_token.filter(|token| !token.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(types)
    }
}

fn instance_type(described: InstanceTypeInfo) -> Option<InstanceType> {
    Some(InstanceType {
        name: described.instance_type?.as_str().to_owned(),
        vcpus: described
            .v_cpu_info?
            .default_v_cpus
            .filter(|vcpus| *vcpus > 0)?,
        memory_mib: described
            .memory_info?
            .size_in_mib
            .filter(|memory| *memory > 0)?,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{InstanceType as Name, MemoryInfo, VCpuInfo};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::whole(Some(2), Some(8192), true)]
    #[case::without_memory(Some(2), None, false)]
    #[case::without_vcpus(None, Some(8192), false)]
    #[case::of_no_size(Some(0), Some(8192), false)]
    fn a_size_is_known_wholly_or_not_at_all(
        #[case] vcpus: Option<i32>,
        #[case] memory_mib: Option<i64>,
        #[case] known: bool,
    ) {
        let described = InstanceTypeInfo::builder()
            .instance_type(Name::M5Large)
            .v_cpu_info(VCpuInfo::builder().set_default_v_cpus(vcpus).build())
            .memory_info(MemoryInfo::builder().set_size_in_mib(memory_mib).build())
            .build();
        let expected = known.then(|| InstanceType {
            name: "m5.large".into(),
            vcpus: 2,
            memory_mib: 8192,
        });
        assert_eq!(instance_type(described), expected);
    }
}
