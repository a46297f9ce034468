#if canImport(CoreML)
    import CoreVideo
    import Foundation
    import MobileViTKit

    extension Pixels {
        /// A copy as `kCVPixelFormatType_32BGRA`: what Core ML takes for an image of either color order.
        public func pixelBuffer() throws -> CVPixelBuffer {
            try buffer(of: kCVPixelFormatType_32BGRA) { line, column, from in
                line[column * 4] = rgb[from + 2]
                line[column * 4 + 1] = rgb[from + 1]
                line[column * 4 + 2] = rgb[from]
                line[column * 4 + 3] = 255
            }
        }

        /// A copy as `kCVPixelFormatType_OneComponent8`: what Core ML takes for a gray image.
        public func grayBuffer() throws -> CVPixelBuffer {
            try buffer(of: kCVPixelFormatType_OneComponent8) { line, column, from in line[column] = luma(at: from) }
        }

        /// A buffer whose pixels are set one by one: in a line, at a column, from the index of a pixel's bytes.
        private func buffer(
            of format: OSType, set: (UnsafeMutablePointer<UInt8>, Int, Int) -> Void
        ) throws -> CVPixelBuffer {
            var made: CVPixelBuffer?
            let status = CVPixelBufferCreate(nil, width, height, format, nil, &made)
            guard let buffer = made, status == kCVReturnSuccess else {
                throw BundleError("no memory for an image of \(width) x \(height)")
            }
            CVPixelBufferLockBaseAddress(buffer, [])
            defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
            guard let base = CVPixelBufferGetBaseAddress(buffer) else { throw BundleError("a buffer without memory") }
            let stride = CVPixelBufferGetBytesPerRow(buffer)
            for row in 0..<height {
                let line = (base + row * stride).assumingMemoryBound(to: UInt8.self)
                for column in 0..<width { set(line, column, (row * width + column) * 3) }
            }
            return buffer
        }

        /// A copy of a `kCVPixelFormatType_32BGRA` buffer, such as a camera's; nil for other formats.
        public init?(_ buffer: CVPixelBuffer) {
            guard CVPixelBufferGetPixelFormatType(buffer) == kCVPixelFormatType_32BGRA else { return nil }
            CVPixelBufferLockBaseAddress(buffer, .readOnly)
            defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
            guard let base = CVPixelBufferGetBaseAddress(buffer) else { return nil }
            let (width, height) = (CVPixelBufferGetWidth(buffer), CVPixelBufferGetHeight(buffer))
            let stride = CVPixelBufferGetBytesPerRow(buffer)
            var rgb = [UInt8](repeating: 0, count: width * height * 3)
            for row in 0..<height {
                let line = (base + row * stride).assumingMemoryBound(to: UInt8.self)
                for column in 0..<width {
                    let to = (row * width + column) * 3
                    rgb[to] = line[column * 4 + 2]
                    rgb[to + 1] = line[column * 4 + 1]
                    rgb[to + 2] = line[column * 4]
                }
            }
            self.init(width: width, height: height, rgb: rgb)
        }
    }
#endif
