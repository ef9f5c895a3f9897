/** The name of this program towards collectors and other services. */
export const serviceName = 'user-service'
