-- Every index that a hold touches is a page more in its commit.
-- What blocks a resource is asked for resource by resource.
DROP INDEX occupancy_by_time;
