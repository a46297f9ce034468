import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    // Of the classes that are made, by whatever JDK runs Gradle: 17 or later.
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
        allWarningsAsErrors = true
    }
}

java {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
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
    val vectors = rootProject.layout.buildDirectory.dir("vectors").get().asFile
    systemProperty("vectors", vectors.path)
    systemProperty("reports", rootProject.layout.buildDirectory.dir("reports").get().asFile.path)
    doFirst { check(vectors.isDirectory) { "first, in the repository: python -m tools.make_vectors $vectors" } }
}
