plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
    compilerOptions {
        allWarningsAsErrors = true
    }
}

dependencies {
    // Android has these classes itself.
    compileOnly(libs.json)
    testImplementation(libs.json)
    testImplementation(libs.junit)
    testImplementation(libs.kotlin.test.junit)
}

tasks.test {
    // Made by: python -m tools.make_vectors android_demo/build/vectors
    systemProperty("vectors", rootProject.layout.buildDirectory.dir("vectors").get().asFile.path)
    systemProperty("reports", rootProject.layout.buildDirectory.dir("reports").get().asFile.path)
}
